//! The figures of a run as a table for people.

use super::bench_clock_table::by_the_clock;
use crate::{
    domain::{Clock, Sample, Spread, Work},
    engine::{BenchReport, Effort},
};

/// The width of the first column.
pub(super) const NAME: usize = 44;

/// The whole report, some fifty lines.
pub(super) fn table(report: &BenchReport) -> String {
    let mut text = heading(report);
    match report.record.clock {
        Clock::Wall => by_the_clock(report, &mut text),
        Clock::Processor => {
            speeds(report, &mut text);
            costs(report, &mut text);
            contended(report, &mut text);
        }
    }
    loads(report, &mut text);
    ratios(report, &mut text);
    rest(report, &mut text);
    text
}

fn heading(report: &BenchReport) -> String {
    let record = &report.record;
    let mut text = format!(
        "{}{}\nFormant {}, {}, {} processors, {} UTC{}{}\n",
        record.model,
        if record.sha256.is_empty() {
            String::new()
        } else {
            format!(", SHA-256 {}", record.sha256)
        },
        record.version,
        record.instructions,
        record.n_processors,
        record.date,
        if record.effort == Effort::Quick { ", quick: not to be quoted" } else { "" },
        if record.optimized { "" } else { ", not optimized" },
    );
    if let Some(peer) = &record.peer {
        text += &format!("beside {}, {}, {}\n", peer.name, peer.version, peer.model);
    }
    text += "Medians, and in brackets the smallest and the largest; ";
    text += match record.clock {
        Clock::Processor => "on one thread if not said otherwise.\n",
        Clock::Wall => "by the clock.\n",
    };
    text
}

fn speeds(report: &BenchReport, text: &mut String) {
    let mut lines = String::new();
    for measurement in &report.measurements {
        if matches!(
            measurement.work,
            Work::Load
                | Work::FirstToken { .. }
                | Work::LoadAdapter
                | Work::Verify { .. }
                | Work::Contended { .. }
        ) {
            continue;
        }
        let ours = measurement.ours(Sample::tokens_per_cpu_sec);
        let wall = measurement.ours(Sample::tokens_per_sec);
        let peers = measurement.peers(Sample::tokens_per_cpu_sec);
        lines += &format!(
            "{:NAME$}{:>24}{:>10}{:>24}{:>20}\n",
            name(measurement.work),
            spread(ours, 1),
            median(wall, 1),
            spread(peers, 1),
            times(measurement.advantage())
        );
    }
    if !lines.is_empty() {
        *text += &format!(
            "\n{:NAME$}{:>24}{:>10}{:>24}{:>20}\n{lines}",
            "", "tokens per CPU second", "per sec.", "llama.cpp, per CPU s", "ours by theirs"
        );
    }
}

fn costs(report: &BenchReport, text: &mut String) {
    let millis = |sample: &Sample| 1e3 * sample.cpu_secs;
    let mut lines = String::new();
    for measurement in &report.measurements {
        let Work::Verify { context, rows } = measurement.work else { continue };
        let Some((ours, peers)) = report.verification_cost(context, rows) else { continue };
        lines += &format!(
            "{:NAME$}{:>24}{:>10}{:>24}{:>20}\n",
            name(measurement.work),
            spread(measurement.ours(millis), 2),
            median(Some(ours), 2),
            spread(measurement.peers(millis), 2),
            median(peers, 2),
        );
    }
    if !lines.is_empty() {
        *text += &format!(
            "\n{:NAME$}{:>24}{:>10}{:>24}{:>20}\n{lines}",
            "", "CPU ms of a pass", "T(k)/T(1)", "llama.cpp, CPU ms", "its T(k)/T(1)"
        );
    }
}

fn contended(report: &BenchReport, text: &mut String) {
    let mut lines = String::new();
    for measurement in &report.measurements {
        let Work::Contended { threads, busy } = measurement.work else { continue };
        lines += &format!(
            "{:NAME$}{:>24}{:>20}\n",
            name(measurement.work),
            spread(measurement.ours(Sample::tokens_per_sec), 1),
            times(report.threads_gain(threads, busy).filter(|_| threads > 1))
        );
    }
    if !lines.is_empty() {
        let (first, second) = ("tokens per second", "by one thread");
        *text += &format!("\n{:NAME$}{first:>24}{second:>20}\n{lines}", "");
    }
}

fn loads(report: &BenchReport, text: &mut String) {
    let mut lines = String::new();
    for measurement in &report.measurements {
        let work = measurement.work;
        if !matches!(work, Work::Load | Work::FirstToken { .. } | Work::LoadAdapter) {
            continue;
        }
        let millis = |secs: fn(&Sample) -> f64| measurement.ours(|sample| 1e3 * secs(sample));
        lines += &format!(
            "{:NAME$}{:>24}{:>24}\n",
            name(measurement.work),
            spread(millis(|sample| sample.wall_secs), 0),
            spread(millis(|sample| sample.cpu_secs), 0),
        );
    }
    if !lines.is_empty() {
        let threads = format!("with {} thread(s)", report.record.n_threads);
        *text += &format!("\n{threads:NAME$}{:>24}{:>24}\n{lines}", "ms", "CPU ms");
    }
}

fn ratios(report: &BenchReport, text: &mut String) {
    let ratios = report.ratios();
    let gains = [
        ("n-gram lookup, repeating a text, by plain", ratios.ngram_copy),
        ("n-gram lookup, summing up a text, by plain", ratios.ngram_summarise),
        ("eight replies at once by one, per second", ratios.eight_together),
    ];
    let costs = [
        ("one reply with an adapter, by none", ratios.one_adapted),
        ("several replies with adapters, by none", ratios.several_adapted),
    ];
    ratios_of("times as many tokens", &gains, text);
    ratios_of("times as long a token", &costs, text);
}

/// Those of the ratios that were measured, under a heading that says of what they are.
fn ratios_of(heading: &str, ratios: &[(&str, Option<Spread>)], text: &mut String) {
    let measured = ratios.iter().filter(|(_, ratio)| ratio.is_some());
    let lines: Vec<String> =
        measured.map(|(name, ratio)| format!("{name:NAME$}{:>24}\n", times(*ratio))).collect();
    if !lines.is_empty() {
        *text += &format!("\n{:NAME$}{heading:>24}\n{}", "", lines.concat());
    }
}

fn rest(report: &BenchReport, text: &mut String) {
    if let Some(perplexity) = report.perplexity {
        let name = format!("perplexity, {} tokens of sonnets", perplexity.n_tokens);
        *text += &format!("\n{name:NAME$}{:>24.3}", perplexity.ours);
        if let Some(peer) = perplexity.peer {
            let percent = 100.0 * (perplexity.ours / peer - 1.0);
            *text += &format!("   llama.cpp {peer:.3}, ours {percent:+.2} %");
        }
        *text += "\n";
    }
    if let Some(memory) = report.memory {
        let kv = format!("keys and values of {} tokens", memory.context);
        let mut line = |name: &str, bytes: u64| {
            *text += &format!("{name:NAME$}{:>21.1} MB\n", bytes as f64 / 1e6);
        };
        line("weights", memory.weights);
        line(&kv, memory.kv);
        line("buffers of the passes", memory.scratch);
        if let Some(resident) = memory.resident {
            line("the whole process, in memory", resident);
        }
        if let Some(device) = memory.device {
            line("the device's memory in use, by all programs", device);
        }
    }
}

pub(super) fn name(work: Work) -> String {
    let lookup = |ngram| if ngram { "with n-gram lookup" } else { "plain" };
    match work {
        Work::Load => "load".to_owned(),
        Work::FirstToken { prompt } => format!("load to first token, prompt of {prompt}"),
        Work::Prefill { prompt } => format!("prefill, {prompt} tokens"),
        Work::Decode { context } => format!("decode at context {context}"),
        Work::Verify { context, rows } => format!("pass over {rows} rows at context {context}"),
        Work::Together { sequences: 1 } => "one reply".to_owned(),
        Work::Together { sequences } => format!("{sequences} replies at once"),
        Work::LoadAdapter => "load of an adapter".to_owned(),
        Work::Adapted { sequences: 1, adapters: 0 } => "one reply, no adapter".to_owned(),
        Work::Adapted { sequences: 1, .. } => "one reply with an adapter".to_owned(),
        Work::Adapted { sequences, adapters: 0 } => format!("{sequences} replies, no adapters"),
        Work::Adapted { sequences, adapters } => {
            format!("{sequences} replies, none and {adapters} adapters in turns")
        }
        Work::Copy { ngram } => format!("repeating a text, {}", lookup(ngram)),
        Work::Summarise { ngram } => format!("summing up a text, {}", lookup(ngram)),
        Work::Contended { threads, busy } => {
            format!("decode with {threads} thread(s) beside {busy} busy ones")
        }
    }
}

pub(super) fn spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or(String::new(), |Spread { median, min, max }| {
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    })
}

fn median(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or(String::new(), |spread| format!("{:.digits$}", spread.median))
}

pub(super) fn times(ratio: Option<Spread>) -> String {
    ratio.map_or(String::new(), |Spread { median, min, max }| {
        format!("{median:.2}x ({min:.2}–{max:.2})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_says_its_middle_and_its_ends() {
        let found = spread(Spread::of([1.0, 2.0, 4.0]), 1);
        assert_eq!(found, "2.0 (1.0–4.0)");
        assert_eq!(times(Spread::of([1.0, 2.5])), "1.75x (1.00–2.50)");
        assert_eq!(spread(None, 1), "");
    }
}
