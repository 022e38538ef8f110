//! Which products of bytes a processor has.

/// NEON, and how it multiplies bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neon {
    /// Proves, where it is true, that the processor has `sdot`.
    has_dot: bool,
}

impl Neon {
    /// What this processor can do, the slower first.
    pub fn all() -> impl Iterator<Item = Self> {
        let has_dot = std::arch::is_aarch64_feature_detected!("dotprod");
        [Some(Self { has_dot: false }), has_dot.then_some(Self { has_dot })].into_iter().flatten()
    }

    /// Whether the processor has `sdot`, and it is to be used.
    pub fn has_dot(self) -> bool {
        self.has_dot
    }

    /// Its name in reports.
    pub fn label(self) -> &'static str {
        if self.has_dot { "NEON with dot products" } else { "NEON" }
    }
}
