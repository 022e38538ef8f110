//! Figures for people: bytes, durations and shares, always with their unit.

use std::time::Duration;

/// Bytes in the decimal units that disks and networks are sold by: `98.4 MB`.
pub fn bytes(n_bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = n_bytes as f64;
    let mut unit_idx = 0;
    // 999.95 would be rounded up to 1000.0 by the format below.
    while value >= 999.95 && unit_idx + 1 < UNITS.len() {
        value /= 1000.0;
        unit_idx += 1;
    }
    match unit_idx {
        0 => format!("{n_bytes} B"),
        _ if value >= 99.95 => format!("{value:.0} {}", UNITS[unit_idx]),
        _ => format!("{value:.1} {}", UNITS[unit_idx]),
    }
}

/// A duration as one reads a clock: `0.8 s`, `42 s`, `3 min 05 s`, `2 h 10 min`.
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {:02} s", secs / 60, secs % 60),
        _ => format!("{} h {:02} min", secs / 3600, secs / 60 % 60),
    }
}

/// `1 model`, `2 models`, `3 passes`: the plural by an s.
pub fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ if noun.ends_with('s') => format!("{n} {noun}es"),
        _ => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_and_a_unit() {
        let shown: Vec<_> =
            [0, 999, 1000, 98_362_432, 4_600_000, 999_960, 1_234_000_000].map(bytes).into();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "98.4 MB", "4.6 MB", "1.0 MB", "1.2 GB"]);
        assert_eq!(bytes(112_000_000), "112 MB");
    }

    #[test]
    fn nouns_are_counted_in_their_plural() {
        let shown = [(1, "pass"), (2, "pass"), (0, "byte")].map(|(n, noun)| count(n, noun));
        assert_eq!(shown, ["1 pass", "2 passes", "0 bytes"]);
    }

    #[test]
    fn durations_read_like_a_clock() {
        let shown = [0.84, 42.3, 185.0, 7800.0].map(|secs| duration(Duration::from_secs_f64(secs)));
        assert_eq!(shown, ["0.8 s", "42 s", "3 min 05 s", "2 h 10 min"]);
    }
}
