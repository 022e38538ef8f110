//! What can happen to a file.

use proptest::prelude::*;

/// One thing that happened; places are shares of the file, so that they fit any.
#[derive(Debug, Clone)]
pub enum Damage {
    /// It ends early.
    Truncate(f64),
    /// Some bytes are others.
    Overwrite(f64, Vec<u8>),
    /// Some bytes are missing.
    Delete(f64, usize),
    /// Some bytes are there twice.
    Repeat(f64, usize),
    /// Some bytes were never there.
    Insert(f64, Vec<u8>),
    /// One bit has turned.
    Flip(f64, u8),
    /// The digit at or after a place is a longer number.
    Number(f64, u64),
}

/// Any damage; more of it near the beginning, where headers are.
pub fn strategy() -> impl Strategy<Value = Damage> {
    let place = || prop_oneof![0.0..1.0, (0.0..1.0f64).prop_map(|share| share.powi(4))];
    let number = prop_oneof![
        Just(0u64),
        Just(1),
        Just(u64::from(u32::MAX)),
        Just(1 << 31),
        Just(1 << 40),
        Just(i64::MAX as u64),
        Just(u64::MAX),
        0u64..1000,
        any::<u64>(),
    ];
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..9),
        number.clone().prop_map(|number| number.to_le_bytes().to_vec()),
        number.clone().prop_map(|number| (number as u32).to_le_bytes().to_vec()),
    ];
    prop_oneof![
        place().prop_map(Damage::Truncate),
        (place(), bytes.clone()).prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        (place(), 1usize..200).prop_map(|(at, n)| Damage::Delete(at, n)),
        (place(), 1usize..200).prop_map(|(at, n)| Damage::Repeat(at, n)),
        (place(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (place(), number).prop_map(|(at, number)| Damage::Number(at, number)),
    ]
}

impl Damage {
    /// Does it to a file.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let n_bytes = bytes.len();
        let place = |share: f64| ((n_bytes as f64 * share) as usize).min(n_bytes);
        let end = |at: usize, n: usize| (at + n).min(n_bytes);
        match self {
            Self::Truncate(at) => bytes.truncate(place(*at)),
            Self::Overwrite(at, new) => {
                let at = place(*at);
                let end = end(at, new.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            Self::Delete(at, n) => {
                let at = place(*at);
                bytes.drain(at..end(at, *n));
            }
            Self::Repeat(at, n) => {
                let at = place(*at);
                let twice = bytes[at..end(at, *n)].to_vec();
                bytes.splice(at..at, twice);
            }
            Self::Insert(at, new) => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(place(*at)) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Number(at, number) => {
                let at = place(*at);
                if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                    let at = at + digit;
                    bytes.splice(at..=at, number.to_string().into_bytes());
                }
            }
        }
    }
}
