//! `formant adapters`: what adapters there are, what they are, and what they fit.

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{args::AdaptersAction, output::json_line, run::Setting};
use crate::{
    domain::{AdapterFit, AdapterInfo, ModelKind, Progress},
    engine::EngineJob,
};

pub(super) fn run(setting: &Setting, action: AdaptersAction) -> Result<()> {
    match action {
        AdaptersAction::List { model, json } => list(setting, model, json),
        AdaptersAction::Info { adapter, json } => info(setting, &adapter, json),
        AdaptersAction::LoadCheck { adapter, model, json } => {
            load_check(setting, &adapter, model, json)
        }
    }
}

fn list(setting: &Setting, model: Option<String>, json: bool) -> Result<()> {
    let model = model.unwrap_or_else(|| setting.settings.chat.model.clone());
    let fits = outcome(setting.engine(None)?.adapters(&model))?;
    if fits.is_empty() && !json {
        println!("No adapter is in the library; take one in with `formant models import FOLDER`.");
    }
    let width = fits.iter().map(|fit| fit.id.len()).max().unwrap_or(0);
    for fit in fits {
        if json {
            json_line(&with_model(&fit, &model)?)?;
            continue;
        }
        let summary = fit.adapter.as_ref().map_or(String::new(), AdapterInfo::summary);
        println!("{:width$}  {summary}", fit.id);
        println!("{:width$}  {}", "", verdict(&fit, &model));
    }
    Ok(())
}

fn info(setting: &Setting, adapter: &str, json: bool) -> Result<()> {
    let info = outcome(setting.engine(None)?.adapter(adapter))?;
    if json {
        json_line(&serde_json::to_value(&info)?)?;
        return Ok(());
    }
    println!("{}", info.name);
    println!("{:8} {}", "adapter", info.summary());
    for (name, value) in info.particulars() {
        println!("{:8} {value}", name.to_lowercase());
    }
    println!("{:8} {:.1} MB", "size", info.bytes as f64 / 1e6);
    Ok(())
}

/// Against one language model, or each that is here.
fn load_check(setting: &Setting, adapter: &str, model: Option<String>, json: bool) -> Result<()> {
    let engine = setting.engine(None)?;
    let is_here = |id: &String| setting.library.file(id, ModelKind::Llama).is_ok();
    let models = match model {
        Some(model) => vec![model],
        None => setting.library.models().into_iter().map(|it| it.id).filter(is_here).collect(),
    };
    if models.is_empty() {
        bail!("no language model is here to check against; fetch one with `formant models fetch`");
    }
    let mut n_fitting = 0;
    for model in &models {
        let fit = outcome(engine.check_adapter(adapter, model))?;
        n_fitting += usize::from(fit.fits());
        if json {
            json_line(&with_model(&fit, model)?)?;
        } else {
            println!("{}", verdict(&fit, model));
        }
    }
    if n_fitting == 0 {
        bail!("{adapter} fits none of {}", models.join(", "));
    }
    Ok(())
}

fn verdict(fit: &AdapterFit, model: &str) -> String {
    match &fit.problem {
        None => format!("fits {model}: formant chat --model {model} --adapter {}", fit.id),
        Some(why) => format!("does not fit {model}: {why}"),
    }
}

fn with_model(fit: &AdapterFit, model: &str) -> Result<serde_json::Value> {
    let mut line = serde_json::to_value(fit)?;
    line["model"] = json!(model);
    line["fits"] = json!(fit.fits());
    Ok(line)
}

fn outcome<T>(job: EngineJob<Progress, T>) -> Result<T> {
    Ok(job.wait(|_| ()).context("the engine ended without an answer; try again")??)
}
