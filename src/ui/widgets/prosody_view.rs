//! Pitch and energy over time: what was measured as a curve, what was predicted as steps.

use eframe::egui::{Color32, Mesh, Painter, Pos2, Rect, Shape, Stroke, pos2};

use super::{
    time_axis::{Ticks, TimeAxis},
    time_axis_paint::{Ink, paint_y_axis, upwards},
};

/// Height of a predicted value's bar.
const BAR_HEIGHT: f32 = 5.0;

/// A value per frame, from a time on; zero where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Track<'a> {
    /// Where the first frame begins.
    pub start_secs: f64,
    /// Seconds from frame to frame.
    pub frame_secs: f64,
    /// One value per frame.
    pub values: &'a [f32],
}

/// A value that holds for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// From when.
    pub start_secs: f64,
    /// Until when.
    pub end_secs: f64,
    /// The value; zero where there is none.
    pub value: f32,
}

/// What a drawing was made for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    axis: TimeAxis,
    plot: Rect,
    values: TimeAxis,
    color: Color32,
    revision: (u64, u64),
}

/// One panel of a measured curve and predicted steps; what is drawn is kept until the view or the
/// values change.
#[derive(Debug, Default)]
pub struct CurveView {
    key: Option<Key>,
    drawn: Vec<Shape>,
}

impl CurveView {
    /// Paints the visible part. `revision` tells one state of the
    /// curve and of the steps from the next.
    #[expect(clippy::too_many_arguments, reason = "a plot is a place, two axes and two series")]
    pub fn paint<'a>(
        &mut self,
        painter: &Painter,
        plot: Rect,
        axis: TimeAxis,
        values: TimeAxis,
        tracks: impl Iterator<Item = Track<'a>>,
        steps: &[Step],
        color: Color32,
        revision: (u64, u64),
        ink: &Ink,
    ) {
        paint_y_axis(painter, plot, values, ink);
        let key = Key { axis, plot, values, color, revision };
        if self.key != Some(key) {
            self.drawn.clear();
            draw_steps(&key, steps, &mut self.drawn);
            for track in tracks {
                draw_track(&key, track, &mut self.drawn);
            }
            self.key = Some(key);
        }
        let painter = painter.with_clip_rect(plot.intersect(painter.clip_rect()));
        painter.extend(self.drawn.iter().cloned());
    }
}

/// Predictions: a broad pale bar each, so that they differ from the curve by more than colour. One
/// mesh for all, since minutes of speech have thousands.
fn draw_steps(key: &Key, steps: &[Step], shapes: &mut Vec<Shape>) {
    let first = steps.partition_point(|step| step.end_secs <= key.axis.start);
    let color = key.color.gamma_multiply(0.35);
    let mut mesh = Mesh::default();
    for step in steps[first..].iter().take_while(|step| step.start_secs < key.axis.end) {
        if step.value > 0.0 {
            let left = key.axis.to_screen(step.start_secs, key.plot.x_range());
            let right = key.axis.to_screen(step.end_secs, key.plot.x_range());
            let y = key.values.to_screen(f64::from(step.value), upwards(key.plot));
            let half = BAR_HEIGHT / 2.0;
            let bar = Rect::from_min_max(pos2(left, y - half), pos2(right, y + half));
            mesh.add_colored_rect(bar, color);
        }
    }
    shapes.push(Shape::mesh(mesh));
}

/// The measured curve, with a gap where there is no value; one point to a pixel at most.
fn draw_track(key: &Key, track: Track<'_>, shapes: &mut Vec<Shape>) {
    let frame_at = |secs: f64| (secs - track.start_secs) / track.frame_secs;
    let first = (frame_at(key.axis.start).floor() - 1.0).max(0.0) as usize;
    let last = (frame_at(key.axis.end).ceil() + 1.0).clamp(0.0, track.values.len() as f64) as usize;
    if first >= last {
        return;
    }
    let frames_per_pixel =
        key.axis.span() / track.frame_secs / f64::from(key.plot.width().max(1.0));
    let stride = frames_per_pixel.floor().max(1.0) as usize;
    // Strides begin at multiples of themselves, so that panning does not make the curve shimmer.
    let first = first / stride * stride;
    let mut run: Vec<Pos2> = Vec::new();
    for (at, values) in track.values[first..last].chunks(stride).enumerate() {
        let voiced = values.iter().filter(|value| **value > 0.0);
        let (n, sum) = voiced.fold((0, 0.0), |(n, sum), value| (n + 1, sum + value));
        if n == 0 {
            finish(&mut run, key, shapes);
            continue;
        }
        let middle = first as f64 + (at * stride) as f64 + values.len() as f64 / 2.0;
        let secs = track.start_secs + middle * track.frame_secs;
        run.push(pos2(
            key.axis.to_screen(secs, key.plot.x_range()),
            key.values.to_screen(f64::from(sum / n as f32), upwards(key.plot)),
        ));
    }
    finish(&mut run, key, shapes);
}

fn finish(run: &mut Vec<Pos2>, key: &Key, shapes: &mut Vec<Shape>) {
    match run.as_slice() {
        [] => (),
        [alone] => shapes.push(Shape::circle_filled(*alone, 1.5, key.color)),
        _ => shapes.push(Shape::line(std::mem::take(run), Stroke::new(1.8, key.color))),
    }
    run.clear();
}

/// A y axis for values from `low` to `high`, widened to round numbers.
pub fn round_range(low: f32, high: f32) -> TimeAxis {
    if low > high {
        return TimeAxis { start: 0.0, end: 1.0 };
    }
    let (low, high) = (f64::from(low), f64::from(high).max(f64::from(low) + 1e-3));
    let step = {
        let mut ticks = Ticks::new(low, high, 4).values();
        match (ticks.next(), ticks.next()) {
            (Some(first), Some(second)) => second - first,
            _ => high - low,
        }
    };
    TimeAxis {
        start: (low / step - 0.1).floor().max(0.0) * step,
        end: (high / step + 0.1).ceil() * step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            axis: TimeAxis { start: 0.0, end: 1.0 },
            plot: Rect::from_min_max(pos2(0.0, 0.0), pos2(100.0, 100.0)),
            values: TimeAxis { start: 0.0, end: 400.0 },
            color: Color32::WHITE,
            revision: (0, 0),
        }
    }

    #[test]
    fn an_unvoiced_frame_is_a_gap() {
        let values = [100.0, 110.0, 0.0, 0.0, 120.0, 130.0, 125.0, 0.0, 90.0, 0.0];
        let mut shapes = Vec::new();
        draw_track(
            &key(),
            Track { start_secs: 0.0, frame_secs: 0.1, values: &values },
            &mut shapes,
        );
        let n_points: Vec<usize> = shapes
            .iter()
            .map(|shape| if let Shape::Path(path) = shape { path.points.len() } else { 1 })
            .collect();
        assert_eq!(n_points, [2, 3, 1]);
    }

    #[test]
    fn a_long_track_has_no_more_points_than_pixels() {
        let values = vec![200.0; 20_000];
        let mut shapes = Vec::new();
        draw_track(
            &key(),
            Track { start_secs: 0.0, frame_secs: 5e-5, values: &values },
            &mut shapes,
        );
        let Shape::Path(path) = &shapes[0] else { panic!("no curve") };
        assert!(path.points.len() <= 101, "{}", path.points.len());
    }

    #[test]
    fn an_axis_ends_at_round_numbers() {
        assert_eq!(round_range(83.0, 212.0), TimeAxis { start: 50.0, end: 250.0 });
        assert_eq!(
            round_range(f32::INFINITY, f32::NEG_INFINITY),
            TimeAxis { start: 0.0, end: 1.0 }
        );
    }
}
