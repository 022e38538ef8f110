//! Numbers as they were typed: 0.9 stays 0.9 in every file and every line of JSON.
//!
//! An `f32` that is widened to the `f64` of a JSON value shows the digits in which the two differ
//! (0.8999999761581421). Written as the `f64` with the fewest digits that is still the same `f32`,
//! it does not, and reads back to the same bits.

use serde::Serializer;

/// Writes `value` with as few digits as tell it from its neighbours.
///
/// # Errors
/// Whatever the format refuses.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
pub fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    let shortest = value.to_string().parse().unwrap_or_else(|_| f64::from(*value));
    serializer.serialize_f64(shortest)
}

#[cfg(test)]
mod tests {
    use crate::domain::{ProsodyControls, Sampling};
    use proptest::prelude::*;

    #[test]
    fn options_read_as_they_were_typed() {
        let sampling = Sampling { top_p: 0.9, temperature: 0.2, ..Sampling::default() };
        let value = serde_json::json!(sampling);
        assert_eq!((&value["top_p"], &value["temperature"]), (&0.9.into(), &0.2.into()));
        let controls = ProsodyControls { pace: 1.1, ..ProsodyControls::default() };
        assert_eq!(
            serde_json::json!(controls).to_string(),
            r#"{"energy":1.0,"pace":1.1,"pitch":1.0}"#
        );
    }

    proptest! {
        #[test]
        fn every_number_reads_back_to_the_same_bits(top_p in any::<f32>()) {
            prop_assume!(top_p.is_finite());
            let text = serde_json::json!(Sampling { top_p, ..Sampling::default() }).to_string();
            let read: Sampling = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.top_p.to_bits(), top_p.to_bits());
        }
    }
}
