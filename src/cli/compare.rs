//! `formant compare`: ways to speculate, side by side on one prompt.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    args::Compare,
    output::{Bar, json_line},
    run::Setting,
    speak::text_or_stdin,
};
use crate::{
    domain::{Message, MethodMeasurement, Sameness, Sample, Sampling, Spread},
    engine::{CompareEvent, CompareRequest, Comparison},
};

pub(super) fn run(setting: &Setting, args: &Compare) -> Result<()> {
    let chosen = &setting.settings.chat;
    let request = CompareRequest {
        model: args.model.clone().unwrap_or_else(|| chosen.model.clone()),
        adapters: args.adapters.clone(),
        messages: vec![Message::user(text_or_stdin(&args.prompt)?)],
        sampling: Sampling {
            temperature: args.temperature.unwrap_or(0.0),
            seed: args.seed.unwrap_or(0),
            ..Sampling::default()
        },
        max_tokens: args.max_tokens as usize,
        methods: args
            .methods
            .iter()
            .map(|method| args.drafting.speculative(*method))
            .collect::<Result<_>>()?,
        n_repeats: args.repeats as usize,
    };
    let engine = setting.language_engine(args.device, args.threads)?;
    let mut bar = Bar::new();
    let mut unread = None;
    let comparison = engine.compare(request).wait(|event| match event {
        CompareEvent::Progress(progress) => bar.show(&progress),
        CompareEvent::Measured { .. } if args.json => {
            unread = unread.take().or(serde_json::to_value(&event)
                .map_err(std::io::Error::from)
                .and_then(|line| json_line(&line))
                .err());
        }
        CompareEvent::Measured { .. } => (),
    });
    bar.clear();
    let comparison =
        comparison.context("the engine ended before the figures stood; start it again")??;
    if let Some(error) = unread {
        return Err(error.into());
    }
    if args.json {
        print_json(&comparison)?;
    } else {
        print!("{}", table(&comparison));
    }
    Ok(())
}

fn print_json(comparison: &Comparison) -> Result<()> {
    let plain = &comparison.methods[0];
    let row = |method: &MethodMeasurement| {
        json!({
            "label": method.speculative.label(),
            "speculative": method.speculative,
            "tokens_per_sec": method.tokens_per_sec(),
            "tokens_per_cpu_sec": method.tokens_per_cpu_sec(),
            "tokens_per_pass": method.tokens_per_pass(),
            "speed_up_cpu": method.speed_up(plain, Sample::tokens_per_cpu_sec),
            "speed_up_wall": method.speed_up(plain, Sample::tokens_per_sec),
            "acceptance_length": method.counts.acceptance_length(),
            "acceptance_by_position": method.counts.acceptance_by_position().collect::<Vec<_>>(),
            "drafter_bytes": method.drafter_bytes,
            "counts": method.counts,
            "sameness": method.sameness,
            "text": method.text,
        })
    };
    let rows: Vec<_> = comparison.methods.iter().map(row).collect();
    json_line(&json!({
        "event": "done",
        "model": comparison.model,
        "arithmetic": comparison.arithmetic,
        "threads": comparison.n_threads,
        "prompt_tokens": comparison.prompt_tokens,
        "methods": rows,
    }))?;
    Ok(())
}

/// The figures for people.
fn table(comparison: &Comparison) -> String {
    let Comparison { model, arithmetic, n_threads, prompt_tokens, methods } = comparison;
    let mut text = format!(
        "{model} on {arithmetic}, {n_threads} threads, {prompt_tokens} prompt tokens\n\n\
         {:<16}{:>8}{:>11}{:>10}{:>8}  {:<22}{:>20}{:>10}  {}\n",
        "method",
        "tok/s",
        "tok/cpu-s",
        "tok/pass",
        "length",
        "accepted by position",
        "speed-up (cpu)",
        "memory",
        "text"
    );
    let plain = &methods[0];
    for method in methods {
        let middle = |spread: Option<Spread>| match spread {
            Some(spread) => format!("{:.1}", spread.median),
            None => "–".to_owned(),
        };
        let number = |value: Option<f64>| match value {
            Some(value) => format!("{value:.2}"),
            None => "–".to_owned(),
        };
        let by_position: Vec<String> = method
            .counts
            .acceptance_by_position()
            .take(5)
            .map(|share| format!("{share:.2}"))
            .collect();
        let speed_up = method
            .speed_up(plain, Sample::tokens_per_cpu_sec)
            .map(|spread| format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max));
        writeln!(
            text,
            "{:<16}{:>8}{:>11}{:>10}{:>8}  {:<22}{:>20}{:>10}  {}",
            method.speculative.label(),
            middle(method.tokens_per_sec()),
            middle(method.tokens_per_cpu_sec()),
            number(method.tokens_per_pass()),
            number(method.counts.acceptance_length()),
            by_position.join(" "),
            speed_up.unwrap_or_default(),
            format!("{:.1} MB", method.drafter_bytes as f64 / 1e6),
            sameness(method.sameness),
        )
        .expect("text takes any length");
    }
    text
}

fn sameness(sameness: Sameness) -> String {
    match sameness {
        Sameness::Identical => "identical".to_owned(),
        Sameness::NearTie { token_idx, margin } => {
            format!("parts at token {token_idx}, a near-tie (margin {margin:.3})")
        }
        Sameness::Mismatch { token_idx, margin } => {
            format!("MISMATCH at token {token_idx} (margin {margin:.3})")
        }
    }
}
