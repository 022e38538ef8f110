//! `formant models`: what there is, and how to get the rest.

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{
    args::ModelsAction,
    output::{Bar, json_line},
    run::Setting,
};
use crate::{
    domain::{ModelInfo, ModelKind, ModelOrigin, ModelState, Progress},
    engine::ImportRequest,
    library::Placement,
};

pub(super) fn run(setting: &Setting, action: ModelsAction) -> Result<()> {
    match action {
        ModelsAction::List { json } => list(setting, json),
        ModelsAction::Info { id, json } => info(setting, &id, json),
        ModelsAction::Fetch { id, json } => fetch(setting, &id, json),
        ModelsAction::Import { paths, id, in_place, json } => {
            let placement = if in_place { Placement::InPlace } else { Placement::Copy };
            if id.is_some() && paths.len() > 1 {
                bail!("--id names one model, and there are {}; import them apart", paths.len());
            }
            for path in paths {
                import(setting, ImportRequest { path, id: id.clone(), placement }, json)?;
            }
            Ok(())
        }
        ModelsAction::Remove { id } => remove(setting, &id),
        ModelsAction::Verify { ids, json } => verify(setting, ids, json),
    }
}

fn list(setting: &Setting, json: bool) -> Result<()> {
    let models = setting.library.models();
    if json {
        for model in &models {
            json_line(&serde_json::to_value(model)?)?;
        }
        return Ok(());
    }
    let width = models.iter().map(|model| model.id.len()).max().unwrap_or(0);
    for model in &models {
        println!(
            "{:width$}  {:14}  {:>8}  {:9}  {}",
            model.id,
            model.kind.label(),
            megabytes(model.bytes),
            state(model),
            model.licence
        );
    }
    Ok(())
}

fn info(setting: &Setting, id: &str, json: bool) -> Result<()> {
    let model = setting.library.find(id)?;
    if json {
        json_line(&serde_json::to_value(&model)?)?;
        return Ok(());
    }
    println!("{} ({})", model.name, model.id);
    println!("kind     {}", model.kind.label());
    println!("state    {}", state(&model));
    println!("size     {}", megabytes(model.bytes));
    if let Some(language) = &model.language_model {
        println!("model    {}", language.summary());
        for (name, value) in language.particulars() {
            println!("{:8} {value}", name.to_lowercase());
        }
    }
    if let Some(speech) = &model.speech_model {
        println!("{}", speech.summary());
        for (name, value) in speech.particulars() {
            println!("{:8} {value}", name.to_lowercase());
        }
    }
    if let Some(adapter) = &model.lora_adapter {
        println!("{}", adapter.summary());
        for (name, value) in adapter.particulars() {
            println!("{:8} {value}", name.to_lowercase());
        }
    }
    println!("licence  {}", model.licence);
    println!("source   {}", model.source);
    println!("sha256   {}", model.sha256);
    match &model.state {
        ModelState::Ready { path, .. } => println!("file     {}", path.display()),
        ModelState::Missing => println!("fetch    formant models fetch {}", model.id),
        ModelState::Damaged { why } => println!("fault    {why}"),
    }
    if model.origin == ModelOrigin::Imported {
        println!("remove   formant models remove {}", model.id);
    }
    for (name, value) in &model.quality {
        println!("{name}  {value}");
    }
    Ok(())
}

fn fetch(setting: &Setting, id: &str, json: bool) -> Result<()> {
    let mut shown = Shown::new(json);
    let path = setting.library.fetch(id, &mut |progress| {
        shown.progress(&progress);
        Ok(())
    })?;
    shown.bar.clear();
    if json {
        json_line(&json!({ "event": "done", "id": id, "path": path }))?;
    } else {
        println!("{id} is ready: {}", path.display());
    }
    Ok(())
}

fn import(setting: &Setting, request: ImportRequest, json: bool) -> Result<()> {
    let mut shown = Shown::new(json);
    let job = setting.engine(None)?.import(request);
    let outcome = job.wait(|progress| shown.progress(&progress));
    shown.bar.clear();
    let model = outcome.context("the import ended without an answer; try again")??;
    if json {
        json_line(&json!({ "event": "done", "model": model }))?;
        return Ok(());
    }
    if let Some(language) = &model.language_model {
        println!("{}: {}", model.name, language.summary());
        if !language.has_chat_template {
            println!("Without a chat template it cannot chat: take an instruct or chat model.");
        }
    }
    if let Some(speech) = &model.speech_model {
        println!("{}: {}", model.name, speech.summary());
        for (name, value) in speech.particulars() {
            println!("{:8} {value}", name.to_lowercase());
        }
    }
    if let Some(adapter) = &model.lora_adapter {
        println!("{}: {}", model.name, adapter.summary());
    }
    let id = &model.id;
    let usage = match model.kind {
        kind if kind.is_voice() => format!("speak with it: formant speak TEXT --voice {id}"),
        kind if kind.is_vocoder() => format!("sound with it: formant speak TEXT --vocoder {id}"),
        ModelKind::LoraAdapter => format!("chat with it: formant chat --adapter {id}"),
        ModelKind::Whisper => "measure voices with it: formant eval".to_owned(),
        ModelKind::Eagle3Head => {
            format!("draft with it: formant chat --speculative eagle3 --head {id}")
        }
        _ => format!("chat with it: formant chat --model {id}"),
    };
    println!("{id} is ready; {usage}");
    Ok(())
}

fn remove(setting: &Setting, id: &str) -> Result<()> {
    setting.library.remove(id)?;
    println!("{id} is no longer in the library");
    Ok(())
}

fn verify(setting: &Setting, mut ids: Vec<String>, json: bool) -> Result<()> {
    if ids.is_empty() {
        let models = setting.library.models();
        ids =
            models.iter().filter(|model| model.is_ready()).map(|model| model.id.clone()).collect();
    }
    let mut shown = Shown::new(false);
    let mut failed = 0;
    for id in &ids {
        let outcome = setting.library.verify(id, &mut |progress| {
            shown.progress(&progress);
            Ok(())
        });
        shown.bar.clear();
        let why = outcome.err().map(|error| error.to_string());
        failed += usize::from(why.is_some());
        if json {
            json_line(&json!({ "event": "done", "id": id, "ok": why.is_none(), "why": why }))?;
        } else {
            println!("{id}  {}", why.as_deref().unwrap_or("is what it should be"));
        }
    }
    if failed > 0 {
        bail!("{failed} of {} models did not pass", ids.len());
    }
    Ok(())
}

/// Progress, as a bar or as lines, a line at most for each percent.
struct Shown {
    json: bool,
    bar: Bar,
    last_percent: Option<(String, u64)>,
}

impl Shown {
    fn new(json: bool) -> Self {
        Self { json, bar: Bar::new(), last_percent: None }
    }

    fn progress(&mut self, progress: &Progress) {
        if !self.json {
            return self.bar.show(progress);
        }
        let percent = progress.done * 100 / progress.total.max(1);
        let now = (format!("{:?}", progress.stage), percent);
        if self.last_percent.as_ref() != Some(&now) {
            self.last_percent = Some(now);
            // Nobody reads any more: the download is still wanted.
            json_line(&json!({ "event": "progress", "progress": progress })).ok();
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn state(model: &ModelInfo) -> &'static str {
    match model.state {
        ModelState::Ready { .. } => "ready",
        ModelState::Missing => "not here",
        ModelState::Damaged { .. } => "damaged",
    }
}
