//! The adapters of one reply.

use std::sync::Arc;

use super::Adapter;
use crate::lm::Error;

/// Adapters with the factors that they are wanted by; none leaves the model as it is.
///
/// They lie in an order of their own, so that the same set gives the same bits however it was named.
#[derive(Debug, Clone, Default)]
pub struct AdapterSet {
    weighted: Vec<(Arc<Adapter>, f32)>,
}

/// What makes the keys and values of one set differ from those of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdapterKey(Vec<(u64, u32)>);

impl AdapterSet {
    /// No adapter.
    pub const NONE: &'static Self = &Self { weighted: Vec::new() };

    /// A set; what is wanted by a factor of zero is left out.
    ///
    /// # Errors
    /// If a factor is not a number, or an adapter is named twice.
    pub fn new(mut weighted: Vec<(Arc<Adapter>, f32)>) -> Result<Self, Error> {
        if let Some((adapter, scale)) = weighted.iter().find(|(_, scale)| !scale.is_finite()) {
            let (adapter, scale) = (adapter.name().to_owned(), *scale);
            return Err(Error::AdapterScale { adapter, scale });
        }
        let rank = |adapter: &Adapter| (adapter.name().to_owned(), adapter.serial());
        weighted.sort_by_key(|(adapter, _)| rank(adapter));
        if let Some([(twice, _), _]) =
            weighted.array_windows().find(|[(a, _), (b, _)]| Arc::ptr_eq(a, b))
        {
            return Err(Error::AdapterTwice { adapter: twice.name().to_owned() });
        }
        weighted.retain(|(_, scale)| *scale != 0.0);
        Ok(Self { weighted })
    }

    /// Whether the model is left as it is.
    pub fn is_empty(&self) -> bool {
        self.weighted.is_empty()
    }

    /// The adapters and their factors.
    pub fn iter(&self) -> impl Iterator<Item = (&Adapter, f32)> {
        self.weighted.iter().map(|(adapter, scale)| (&**adapter, *scale))
    }

    /// What tells its keys and values from those of other sets.
    pub fn key(&self) -> AdapterKey {
        AdapterKey(
            self.iter().map(|(adapter, scale)| (adapter.serial(), scale.to_bits())).collect(),
        )
    }
}
