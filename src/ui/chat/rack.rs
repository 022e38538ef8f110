//! The rack: LoRA adapters, each with a switch and a scale.

use std::{
    path::{Path, PathBuf},
    task::Poll,
};

use eframe::egui::{self, Button, Checkbox, DragValue, RichText, Slider, Ui};

use super::parts::{muted, section, small};
use crate::{
    domain::{AdapterFit, AdapterInfo, ModelInfo, ModelKind, Progress},
    engine::{Client, EngineJob},
    job::Update,
    settings::{self, AdapterSlot},
    ui::{
        dialogs::{Dialog, Pick},
        theme::{self, Hue},
    },
};

/// Scales that the slider offers; the number takes more on either side.
const SCALES: std::ops::RangeInclusive<f32> = 0.0..=2.0;

/// Scales that the number takes.
const ALL_SCALES: std::ops::RangeInclusive<f32> = -4.0..=4.0;

/// What is known of the adapters that could be put on.
#[derive(Default)]
pub struct Rack {
    /// Those of the library, as they fit the model.
    fits: Vec<AdapterFit>,
    /// For which model and which adapters that was asked.
    key: Option<(String, Vec<String>)>,
    asking: Option<EngineJob<Progress, Vec<AdapterFit>>>,
    /// Those that were dropped or chosen, by path, as they fit the model.
    brought: Vec<AdapterFit>,
    checking: Option<(String, EngineJob<Progress, AdapterFit>)>,
    to_check: Vec<PathBuf>,
    dialog: Option<Dialog>,
    /// Why a look brought nothing.
    problem: Option<String>,
}

impl Rack {
    /// Takes an adapter that was dropped or chosen.
    pub fn bring(&mut self, path: &Path) {
        self.to_check.push(path.to_owned());
    }

    /// Asks what fits the model whenever the model or the library has changed, and takes in answers.
    pub fn logic(&mut self, engine: &Client, models: &[ModelInfo], options: &mut settings::Chat) {
        let is_here = |model: &&ModelInfo| model.kind == ModelKind::LoraAdapter && model.is_ready();
        let ids: Vec<String> =
            models.iter().filter(is_here).map(|model| model.id.clone()).collect();
        let is_model_here =
            models.iter().any(|model| model.id == options.model && model.is_ready());
        let key = (options.model.clone(), ids);
        if self.key.as_ref() != Some(&key) {
            let is_new_model = self.key.as_ref().is_none_or(|(model, _)| *model != key.0);
            self.fits.clear();
            self.asking = is_model_here.then(|| engine.adapters(&options.model));
            if is_new_model {
                // What lies at a path is looked at again, for the new model.
                let brought = std::mem::take(&mut self.brought);
                self.to_check.extend(brought.into_iter().map(|fit| PathBuf::from(fit.id)));
                let of_paths = options.adapters.iter().filter(|slot| slot.is_path());
                self.to_check.extend(of_paths.map(|slot| PathBuf::from(&slot.id)));
                self.to_check.dedup();
            }
            self.key = Some(key);
        }
        while let Some(update) = self.asking.as_ref().and_then(EngineJob::poll) {
            match update {
                Update::Event(_) => continue,
                Update::Done(Ok(fits)) => self.fits = fits,
                Update::Done(Err(error)) => self.problem = Some(error.to_string()),
                Update::Lost => self.problem = Some("the look at the adapters ended early".into()),
            }
            self.asking = None;
        }
        if let Some(Poll::Ready(chosen)) = self.dialog.as_ref().map(Dialog::poll) {
            self.dialog = None;
            self.to_check.extend(chosen);
        }
        while let Some((id, update)) =
            self.checking.as_ref().and_then(|(id, job)| Some((id.clone(), job.poll()?)))
        {
            match update {
                Update::Event(_) => continue,
                Update::Done(Ok(fit)) => self.take_brought(AdapterFit { id, ..fit }, options),
                Update::Done(Err(error)) => self.problem = Some(error.to_string()),
                Update::Lost => self.problem = Some("the look at the adapter ended early".into()),
            }
            self.checking = None;
        }
        if self.checking.is_none()
            && is_model_here
            && let Some(path) = self.to_check.pop()
        {
            let id = path.display().to_string();
            self.problem = None;
            self.checking = Some((id.clone(), engine.check_adapter(&id, &options.model)));
        }
    }

    /// One that is new and fits is put on at once: that is what it was brought for.
    fn take_brought(&mut self, fit: AdapterFit, options: &mut settings::Chat) {
        let is_known = options.adapters.iter().any(|slot| slot.id == fit.id);
        if fit.fits() && !is_known {
            options.adapters.push(AdapterSlot { id: fit.id.clone(), scale: 1.0, is_on: true });
        }
        self.brought.retain(|other| other.id != fit.id);
        self.brought.push(fit);
    }

    /// What is known of an adapter.
    fn fit(&self, id: &str) -> Option<&AdapterFit> {
        self.fits.iter().chain(&self.brought).find(|fit| fit.id == id)
    }

    /// Ids of all that can be shown: those with a place in the rack first, in its order.
    fn rows(&self, slots: &[AdapterSlot]) -> Vec<String> {
        let mut rows: Vec<String> = slots.iter().map(|slot| slot.id.clone()).collect();
        let others = self.fits.iter().chain(&self.brought).map(|fit| fit.id.clone());
        rows.extend(
            others.filter(|id| slots.iter().all(|slot| slot.id != *id)).collect::<Vec<_>>(),
        );
        rows
    }
}

/// Draws the rack.
pub fn rack_ui(ui: &mut Ui, rack: &mut Rack, slots: &mut Vec<AdapterSlot>) {
    section(
        ui,
        "Adapters",
        "LoRA adapters change the model by a small product beside each of its layers; several add up. \
         Scale 0 is the model itself, 1 is what an adapter was trained for.",
    );
    let rows = rack.rows(slots);
    if rows.is_empty() {
        let text = match (&rack.asking, &rack.checking) {
            (None, None) => {
                "None here yet. Drop an adapter's folder (PEFT) or GGUF file on this page."
            }
            _ => "Looking for adapters…",
        };
        ui.label(muted(ui, text));
    }
    for id in &rows {
        ui.push_id(id, |ui| row_ui(ui, rack, slots, id));
    }
    ui.horizontal(|ui| {
        let can_ask = rack.dialog.is_none();
        let tip = "An adapter's folder with adapter_config.json and its weights, as peft writes it";
        let folder = ui.add_enabled(can_ask, Button::new("Add folder…")).on_hover_text(tip);
        if folder.clicked() {
            rack.dialog = Some(Dialog::open(ui.ctx(), Pick::Folder));
        }
        let tip = "A LoRA adapter in a GGUF file, as llama.cpp's convert_lora_to_gguf writes it";
        let file = ui.add_enabled(can_ask, Button::new("Add GGUF…")).on_hover_text(tip);
        if file.clicked() {
            rack.dialog = Some(Dialog::open(ui.ctx(), Pick::File("gguf")));
        }
        if rack.checking.is_some() {
            ui.label(small(ui, "Looking into it…"));
        }
    });
    if let Some(problem) = &rack.problem {
        let bad = theme::color(Hue::Bad, ui.visuals());
        ui.add(egui::Label::new(RichText::new(format!("⚠ {problem}")).color(bad)).wrap());
    }
}

/// One adapter: its switch, its scale, and why it cannot be put on.
fn row_ui(ui: &mut Ui, rack: &Rack, slots: &mut Vec<AdapterSlot>, id: &str) {
    let fit = rack.fit(id);
    let name = fit.map_or(id, |fit| fit.name.as_str()).to_owned();
    let place = slots.iter().position(|slot| slot.id == id);
    let mut is_on = place.is_some_and(|place| slots[place].is_on);
    let problem = match fit {
        Some(fit) => fit.problem.clone(),
        None if rack.asking.is_some() || rack.checking.is_some() => None,
        None => Some("it is not on this machine any more".to_owned()),
    };
    let summary = fit.and_then(|fit| fit.adapter.as_ref()).map(AdapterInfo::summary);
    // What is on can always be taken off.
    let can_switch = problem.is_none() || is_on;
    let switch = ui.add_enabled(can_switch, Checkbox::new(&mut is_on, &name));
    let switch = switch
        .on_hover_text(summary.clone().unwrap_or_else(|| id.to_owned()))
        .on_disabled_hover_text(problem.clone().unwrap_or_default());
    if switch.changed() {
        match place {
            Some(place) => slots[place].is_on = is_on,
            None => slots.push(AdapterSlot { id: id.to_owned(), scale: 1.0, is_on }),
        }
    }
    if let Some(slot) = slots.iter_mut().find(|slot| slot.id == id && slot.is_on) {
        ui.horizontal(|ui| {
            let slider = Slider::new(&mut slot.scale, SCALES).show_value(false).step_by(0.05);
            let tip =
                "Factor on all that it changes: 0 is the model itself, 1 what it was trained for";
            ui.add(slider).on_hover_text(tip).widget_info(|| {
                egui::WidgetInfo::slider(true, f64::from(slot.scale), format!("Scale of {name}"))
            });
            let number =
                DragValue::new(&mut slot.scale).range(ALL_SCALES).speed(0.01).max_decimals(2);
            ui.add(number).on_hover_text(tip).widget_info(|| {
                egui::WidgetInfo::labeled(
                    egui::Role::SpinButton,
                    true,
                    format!("Scale of {name}, number"),
                )
            });
        });
    }
    match problem {
        Some(problem) => {
            let warn = theme::color(Hue::Warn, ui.visuals());
            let text = RichText::new(format!("⚠ {problem}")).small().color(warn);
            ui.add(egui::Label::new(text).wrap());
        }
        None => {
            if let Some(summary) = summary {
                ui.add(egui::Label::new(small(ui, summary)).wrap());
            }
        }
    }
}
