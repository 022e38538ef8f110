//! The visible stretch of a quantity (time, mel bands), and where round numbers fall in it.

use eframe::egui::Rangef;

/// What is seen of a quantity that runs from zero to some end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeAxis {
    /// Where the view begins.
    pub start: f64,
    /// Where the view ends; above `start`.
    pub end: f64,
}

/// How far an axis may be zoomed and scrolled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Where the quantity ends; it begins at zero.
    pub full: f64,
    /// The shortest stretch that still shows something.
    pub min_span: f64,
}

impl Limits {
    /// Seconds of sound: down to a few samples.
    pub fn secs(duration_secs: f64) -> Self {
        Self { full: duration_secs.max(Self::MIN_SECS), min_span: Self::MIN_SECS }
    }

    /// Mel bands: down to eight of them.
    pub fn bands(n_mels: usize) -> Self {
        let full = (n_mels as f64).max(1.0);
        Self { full, min_span: full.min(8.0) }
    }

    /// Some forty samples.
    const MIN_SECS: f64 = 0.002;
}

impl TimeAxis {
    /// All there is.
    pub fn fit(limits: Limits) -> Self {
        Self { start: 0.0, end: limits.full }
    }

    /// How much is seen.
    pub fn span(&self) -> f64 {
        self.end - self.start
    }

    /// Whether a value is seen.
    pub fn contains(&self, value: f64) -> bool {
        (self.start..=self.end).contains(&value)
    }

    /// Where a value lies on the screen; `screen` runs from the start of the view to its end and may
    /// point downwards in numbers (bottom to top).
    pub fn to_screen(&self, value: f64, screen: Rangef) -> f32 {
        let share = (value - self.start) / self.span();
        screen.min + (share * f64::from(screen.max - screen.min)) as f32
    }

    /// The value at a place on the screen.
    pub fn at_screen(&self, at: f32, screen: Rangef) -> f64 {
        let share = f64::from(at - screen.min) / f64::from(screen.max - screen.min);
        self.start + share * self.span()
    }

    /// Shows less (`factor` above one) or more around `anchor`, which stays where it is unless an
    /// end of the quantity comes into view.
    #[must_use]
    pub fn zoomed(self, factor: f64, anchor: f64, limits: Limits) -> Self {
        let span = (self.span() / factor).clamp(limits.min_span.min(limits.full), limits.full);
        let share = (anchor - self.start) / self.span();
        let start = anchor - share * span;
        Self { start, end: start + span }.within(limits)
    }

    /// Shows what lies `by` further on.
    #[must_use]
    pub fn panned(self, by: f64, limits: Limits) -> Self {
        Self { start: self.start + by, end: self.end + by }.within(limits)
    }

    /// Turns the page so that `value` is seen, a little after the left edge; a view that shows it
    /// already stays.
    #[must_use]
    pub fn following(self, value: f64, limits: Limits) -> Self {
        if self.contains(value) {
            return self;
        }
        let start = value - 0.05 * self.span();
        Self { start, end: start + self.span() }.within(limits)
    }

    /// Moves the view back between the ends, and narrows it if there is less than it shows.
    fn within(self, limits: Limits) -> Self {
        let span = self.span().min(limits.full);
        let start = self.start.clamp(0.0, limits.full - span);
        Self { start, end: start + span }
    }
}

/// Round numbers in a stretch, and how many decimals tell them apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ticks {
    first: i64,
    last: i64,
    step: f64,
    /// Digits after the point that a label needs.
    pub decimals: usize,
}

impl Ticks {
    /// Multiples of 1, 2 or 5 times a power of ten, at most `max_ticks` of them.
    pub fn new(start: f64, end: f64, max_ticks: usize) -> Self {
        let rough = ((end - start) / max_ticks.max(1) as f64).max(1e-9);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough * 0.999_999)
            .unwrap_or(power * 10.0);
        Self {
            first: (start / step - 1e-6).ceil() as i64,
            last: (end / step + 1e-6).floor() as i64,
            step,
            decimals: (-step.log10() + 1e-6).ceil().max(0.0) as usize,
        }
    }

    /// The numbers, ascending.
    pub fn values(self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(move |tick| tick as f64 * self.step)
    }

    /// A number as its label, with a real minus sign.
    pub fn label(&self, value: f64) -> String {
        let text = format!("{:.*}", self.decimals, value.abs());
        let is_negative = value < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0');
        if is_negative { format!("−{text}") } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn zooming_in_keeps_the_time_under_the_cursor(
            full in 0.5_f64..600.0, from in 0.0_f64..1.0, share in 0.05_f64..1.0,
            at in 0.0_f32..1.0, factor in 1.0_f64..8.0,
        ) {
            let limits = Limits::secs(full);
            let span = share * full;
            let axis = TimeAxis { start: from * (full - span), end: from * (full - span) + span };
            let screen = Rangef::new(60.0, 860.0);
            let x = 60.0 + at * 800.0;
            let anchor = axis.at_screen(x, screen);
            let zoomed = axis.zoomed(factor, anchor, limits);
            prop_assert!((zoomed.to_screen(anchor, screen) - x).abs() < 0.1);
        }

        #[test]
        fn a_view_never_leaves_the_sound(
            full in 0.1_f64..600.0, factor in 0.01_f64..100.0, anchor in 0.0_f64..1.0,
            by in -1000.0_f64..1000.0,
        ) {
            let limits = Limits::secs(full);
            let axis = TimeAxis::fit(limits)
                .zoomed(factor, anchor * full, limits)
                .panned(by, limits)
                .zoomed(1.0 / factor, anchor * full, limits);
            prop_assert!(axis.start >= 0.0);
            prop_assert!(axis.end <= limits.full + 1e-9);
            prop_assert!(axis.span() >= limits.min_span * 0.999);
        }

        #[test]
        fn screen_and_time_are_two_names_of_one_place(
            start in 0.0_f64..100.0, span in 0.01_f64..100.0, share in 0.0_f64..1.0,
        ) {
            let axis = TimeAxis { start, end: start + span };
            let screen = Rangef::new(700.0, 100.0);
            let value = start + share * span;
            let back = axis.at_screen(axis.to_screen(value, screen), screen);
            prop_assert!((back - value).abs() < 1e-6 * span.max(1.0) + 1e-4 * span);
        }

        #[test]
        fn ticks_are_few_and_inside(start in -50.0_f64..50.0, span in 0.001_f64..500.0, n in 2_usize..20) {
            let ticks: Vec<f64> = Ticks::new(start, start + span, n).values().collect();
            prop_assert!(ticks.len() <= n + 1);
            for tick in ticks {
                prop_assert!(tick >= start - span * 1e-3 && tick <= start + span * 1.001);
            }
        }
    }

    #[test]
    fn the_page_turns_when_the_play_cursor_leaves_it() {
        let limits = Limits::secs(10.0);
        let axis = TimeAxis { start: 0.0, end: 2.0 };
        assert_eq!(axis.following(1.0, limits), axis);
        let turned = axis.following(2.5, limits);
        assert!(turned.contains(2.5) && (turned.span() - 2.0).abs() < 1e-9);
        assert!((turned.start - 2.4).abs() < 1e-9);
    }

    #[test]
    fn labels_have_the_decimals_that_tell_them_apart() {
        let ticks = Ticks::new(0.0, 1.0, 6);
        let labels: Vec<String> = ticks.values().map(|tick| ticks.label(tick)).collect();
        assert_eq!(labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let ticks = Ticks::new(-100.0, 8.0, 6);
        let labels: Vec<String> = ticks.values().map(|tick| ticks.label(tick)).collect();
        assert_eq!(labels, ["−100", "−80", "−60", "−40", "−20", "0"]);
    }
}
