//! `formant bench speech`: voices and vocoders, beside other engines if wanted.

use anyhow::{Context, Result};

use super::{
    args::BenchSpeech,
    bench_table::{spread, times},
    output::{Bar, json_line},
    run::Setting,
};
use crate::{
    domain::{PeerSamples, SpeechFigure, SpeechPart},
    engine::{SpeechBenchEvent, SpeechBenchReport, SpeechBenchRequest},
    library::catalog,
};

/// Goes that count; with a few more the median hardly moves.
const GOES: usize = 9;
/// Goes where only whether all is well is asked.
const QUICK_GOES: usize = 2;

pub(super) fn run(setting: &Setting, args: BenchSpeech) -> Result<()> {
    if cfg!(debug_assertions) && !args.json {
        eprintln!("This build is not optimized: the figures are lower than those of a release.");
    }
    let voices = if args.voices.is_empty() { bundled(setting) } else { args.voices };
    let request = SpeechBenchRequest {
        voices,
        vocoder: args.vocoder.unwrap_or_else(|| catalog::VOCODER.to_owned()),
        threads: args.threads.unwrap_or(0),
        n_goes: if args.quick { QUICK_GOES } else { GOES },
        peers: args.peer.into_iter().map(Into::into).collect(),
        python: args.peer_python,
    };
    let mut bar = Bar::new();
    let engine = setting.engine(None)?;
    let report = engine.bench_speech(request).wait(|event| match event {
        SpeechBenchEvent::Progress(progress) => bar.show(&progress),
    });
    bar.clear();
    let report = report.context("the engine ended before the figures stood; start it again")??;
    if args.json {
        let mut line = serde_json::to_value(&report)?;
        line["event"] = "done".into();
        json_line(&line)?;
    } else {
        print!("{}", table(&report));
    }
    Ok(())
}

/// The voices that are here and were not brought by the user.
fn bundled(setting: &Setting) -> Vec<String> {
    let is_bundled = |model: &crate::domain::ModelInfo| {
        model.kind.is_voice() && model.origin == crate::domain::ModelOrigin::Bundled
    };
    setting.library.models().into_iter().filter(is_bundled).map(|model| model.id).collect()
}

fn table(report: &SpeechBenchReport) -> String {
    let mut text = format!(
        "Formant {}, {} processors, {} UTC{}\n",
        report.version,
        report.n_processors,
        report.date,
        if report.optimized { "" } else { ", not optimized" },
    );
    if !report.peers.is_empty() {
        text += &format!("beside {}, on the same weights\n", report.peers.join(" and "));
    }
    text += "Seconds of work by seconds of speech: processor time on one thread, the clock on \
             several.\nMedians, and in brackets the smallest and the largest.\n\n";
    text += &format!("{:20}{:>10}{:>9}{:>28}", "", "", "threads", "real-time factor");
    for peer in &report.peers {
        text += &format!("{:>28}", format!("ours by {peer}"));
    }
    text += "\n";
    for figure in &report.figures {
        text += &row(figure);
    }
    text
}

fn row(figure: &SpeechFigure) -> String {
    let part = match figure.part {
        SpeechPart::Acoustic => "to mel",
        SpeechPart::Vocoder => "to sound",
    };
    let mut text = format!(
        "{:20}{part:>10}{:>9}{:>28}",
        figure.model,
        figure.threads,
        spread(figure.real_time_factor(), 4)
    );
    let advantage = |peer: &PeerSamples| match figure.advantage(peer) {
        None => "cannot run it".to_owned(),
        ratio => times(ratio),
    };
    for peer in &figure.peers {
        text += &format!("{:>28}", advantage(peer));
    }
    text + "\n"
}
