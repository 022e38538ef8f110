//! Units of measure by their symbols.

/// One and many of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// After one.
    pub singular: &'static str,
    /// After any other number.
    pub plural: &'static str,
}

/// The unit at the start of `text` and the length of its symbol; the longest symbol wins, and no
/// letter or digit may follow.
pub fn unit(text: &str) -> Option<(usize, Unit)> {
    UNITS
        .iter()
        .filter(|(symbol, ..)| {
            text.strip_prefix(symbol).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        })
        .max_by_key(|(symbol, ..)| symbol.len())
        .map(|&(symbol, singular, plural)| (symbol.len(), Unit { singular, plural }))
}

/// What `/` and a symbol at the start of `text` mean behind a unit: `per second`.
pub fn per(text: &str) -> Option<(usize, &'static str)> {
    let (len, unit) = unit(text.strip_prefix('/')?)?;
    Some((len + 1, unit.singular))
}

/// Symbol, one, many.
const UNITS: &[(&str, &str, &str)] = &[
    ("km", "kilometer", "kilometers"),
    ("m", "meter", "meters"),
    ("cm", "centimeter", "centimeters"),
    ("mm", "millimeter", "millimeters"),
    ("µm", "micrometer", "micrometers"),
    ("nm", "nanometer", "nanometers"),
    ("mi", "mile", "miles"),
    ("yd", "yard", "yards"),
    ("ft", "foot", "feet"),
    ("mph", "mile per hour", "miles per hour"),
    ("kph", "kilometer per hour", "kilometers per hour"),
    ("km/h", "kilometer per hour", "kilometers per hour"),
    ("mpg", "mile per gallon", "miles per gallon"),
    ("kg", "kilogram", "kilograms"),
    ("g", "gram", "grams"),
    ("mg", "milligram", "milligrams"),
    ("µg", "microgram", "micrograms"),
    ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("L", "liter", "liters"),
    ("l", "liter", "liters"),
    ("ml", "milliliter", "milliliters"),
    ("mL", "milliliter", "milliliters"),
    ("ha", "hectare", "hectares"),
    ("°C", "degree Celsius", "degrees Celsius"),
    ("°F", "degree Fahrenheit", "degrees Fahrenheit"),
    ("°", "degree", "degrees"),
    ("Hz", "hertz", "hertz"),
    ("kHz", "kilohertz", "kilohertz"),
    ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"),
    ("dB", "decibel", "decibels"),
    ("V", "volt", "volts"),
    ("mV", "millivolt", "millivolts"),
    ("kV", "kilovolt", "kilovolts"),
    ("mA", "milliamp", "milliamps"),
    ("mAh", "milliamp hour", "milliamp hours"),
    ("W", "watt", "watts"),
    ("kW", "kilowatt", "kilowatts"),
    ("MW", "megawatt", "megawatts"),
    ("GW", "gigawatt", "gigawatts"),
    ("Wh", "watt hour", "watt hours"),
    ("kWh", "kilowatt hour", "kilowatt hours"),
    ("kcal", "kilocalorie", "kilocalories"),
    ("hp", "horsepower", "horsepower"),
    ("psi", "pound per square inch", "pounds per square inch"),
    ("KB", "kilobyte", "kilobytes"),
    ("kB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"),
    ("GB", "gigabyte", "gigabytes"),
    ("TB", "terabyte", "terabytes"),
    ("PB", "petabyte", "petabytes"),
    ("KiB", "kibibyte", "kibibytes"),
    ("MiB", "mebibyte", "mebibytes"),
    ("GiB", "gibibyte", "gibibytes"),
    ("kbps", "kilobit per second", "kilobits per second"),
    ("Mbps", "megabit per second", "megabits per second"),
    ("Gbps", "gigabit per second", "gigabits per second"),
    ("fps", "frame per second", "frames per second"),
    ("rpm", "revolution per minute", "revolutions per minute"),
    ("px", "pixel", "pixels"),
    ("dpi", "dot per inch", "dots per inch"),
    ("s", "second", "seconds"),
    ("sec", "second", "seconds"),
    ("secs", "second", "seconds"),
    ("ms", "millisecond", "milliseconds"),
    ("µs", "microsecond", "microseconds"),
    ("ns", "nanosecond", "nanoseconds"),
    ("min", "minute", "minutes"),
    ("mins", "minute", "minutes"),
    ("h", "hour", "hours"),
    ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"),
    ("yr", "year", "years"),
    ("yrs", "year", "years"),
    ("%", "percent", "percent"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_symbol_wins_and_must_end() {
        let name = |text| unit(text).map(|(len, unit)| (len, unit.plural));
        assert_eq!(name("km/h now"), Some((4, "kilometers per hour")));
        assert_eq!(name("m."), Some((1, "meters")));
        assert_eq!(name("min"), Some((3, "minutes")));
        assert_eq!(name("mine"), None);
        assert_eq!(name("°C"), Some(("°C".len(), "degrees Celsius")));
        assert_eq!(per("/s,"), Some((2, "second")));
    }
}
