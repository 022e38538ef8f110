//! `formant bench`: how fast it is here.

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    args::{BenchEngine, BenchSubject},
    bench_speech,
    bench_table::table,
    output::{Bar, json_line},
    run::Setting,
};
use crate::engine::{
    BenchEvent, BenchModel, BenchPart, BenchReport, BenchRequest, Effort, PeerRequest,
};

pub(super) fn run(setting: &Setting, subject: BenchSubject) -> Result<()> {
    match subject {
        BenchSubject::Engine(args) => engine(setting, args),
        BenchSubject::Speech(args) => bench_speech::run(setting, args),
    }
}

fn engine(setting: &Setting, args: BenchEngine) -> Result<()> {
    let json = args.json;
    if cfg!(debug_assertions) && !json {
        eprintln!("This build is not optimized: the figures are lower than those of a release.");
    }
    let mut bar = Bar::new();
    let mut unread = None;
    let engine = setting.language_engine(args.device, args.threads)?;
    let report = engine.bench(request(setting, args)).wait(|event| match event {
        BenchEvent::Progress(progress) => bar.show(&progress),
        BenchEvent::Measured(measurement) if json => {
            let line = json!({ "event": "measured", "measurement": measurement });
            unread = unread.take().or(json_line(&line).err());
        }
        BenchEvent::Measured(_) => (),
    });
    bar.clear();
    let report = report.context("the engine ended before the figures stood; start it again")??;
    if let Some(error) = unread {
        return Err(error.into());
    }
    if json {
        print_json(&report)?;
    } else {
        print!("{}", table(&report));
    }
    Ok(())
}

fn request(setting: &Setting, args: BenchEngine) -> BenchRequest {
    let chosen = || setting.settings.chat.model.clone();
    let wants = |part: &BenchPart| {
        args.only.is_empty() || args.only.iter().any(|only| BenchPart::from(*only) == *part)
    };
    BenchRequest {
        parts: BenchPart::ALL.into_iter().filter(wants).collect(),
        model: match (args.file, args.shape) {
            (Some(file), _) => BenchModel::File(file),
            (None, Some(shape)) => BenchModel::Shape(shape.into()),
            (None, None) => BenchModel::Id(args.model.unwrap_or_else(chosen)),
        },
        adapters: args.adapters,
        effort: if args.quick { Effort::Quick } else { Effort::Full },
        peer: args.peer.map(|_| PeerRequest { python: args.peer_python, model: args.peer_model }),
    }
}

fn print_json(report: &BenchReport) -> Result<()> {
    let mut line = serde_json::to_value(report)?;
    line["event"] = "done".into();
    line["ratios"] = serde_json::to_value(report.ratios())?;
    json_line(&line)?;
    Ok(())
}
