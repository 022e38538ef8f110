//! The part of the table for work that a device does: all by the clock.

use super::bench_table::{NAME, name, spread};
use crate::{
    domain::{Measurement, Sample, Work},
    engine::BenchReport,
};

/// Times to the first token, per token, per pass, and tokens per second.
pub(super) fn by_the_clock(report: &BenchReport, text: &mut String) {
    latencies(report, text);
    passes(report, text);
    throughputs(report, text);
}

fn latencies(report: &BenchReport, text: &mut String) {
    let line = |measurement: &Measurement| {
        let (what, secs): (_, fn(&Sample) -> f64) = match measurement.work {
            Work::Prefill { prompt } => {
                (format!("TTFT, prompt of {prompt} tokens"), |sample| sample.wall_secs)
            }
            Work::Decode { context } => (format!("TPOT at context {context}"), |sample| {
                sample.wall_secs / sample.n_tokens as f64
            }),
            _ => return None,
        };
        let millis = measurement.ours(|sample| 1e3 * secs(sample));
        let speed = measurement.ours(Sample::tokens_per_sec);
        Some(format!("{what:NAME$}{:>26}{:>26}\n", spread(millis, 2), spread(speed, 0)))
    };
    let lines: String = report.measurements.iter().filter_map(line).collect();
    if !lines.is_empty() {
        *text += &format!("\n{:NAME$}{:>26}{:>26}\n{lines}", "", "ms", "tokens per second");
    }
}

fn passes(report: &BenchReport, text: &mut String) {
    let line = |measurement: &Measurement| {
        let Work::Verify { context, rows } = measurement.work else { return None };
        let (cost, _) = report.verification_cost(context, rows)?;
        let millis = measurement.ours(|sample| 1e3 * sample.wall_secs);
        let what = name(measurement.work);
        Some(format!("{what:NAME$}{:>26}{:>26}\n", spread(millis, 2), spread(Some(cost), 2)))
    };
    let lines: String = report.measurements.iter().filter_map(line).collect();
    if !lines.is_empty() {
        *text += &format!("\n{:NAME$}{:>26}{:>26}\n{lines}", "", "ms of a pass", "T(k)/T(1)");
    }
}

fn throughputs(report: &BenchReport, text: &mut String) {
    let is_throughput = |measurement: &&Measurement| {
        matches!(
            measurement.work,
            Work::Together { .. } | Work::Copy { .. } | Work::Summarise { .. }
        )
    };
    let line = |measurement: &Measurement| {
        let speed = measurement.ours(Sample::tokens_per_sec);
        format!("{:NAME$}{:>26}\n", name(measurement.work), spread(speed, 0))
    };
    let lines: String = report.measurements.iter().filter(is_throughput).map(line).collect();
    if !lines.is_empty() {
        *text += &format!("\n{:NAME$}{:>26}\n{lines}", "", "tokens per second");
    }
}
