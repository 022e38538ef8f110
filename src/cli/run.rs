//! From arguments to an exit code.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::{
    Command, adapters, args::Device, bench, chat, compare, devices, dictionary, eval, models,
    speak, speculation,
};
use crate::{
    engine::Client,
    library::{Folders, Library},
    settings::Settings,
};

/// What every command may need.
pub(super) struct Setting {
    pub(super) library: Library,
    pub(super) settings: Settings,
}

impl Setting {
    /// The engine; started by the commands that use it. `threads` goes before the settings.
    pub(super) fn engine(&self, threads: Option<usize>) -> Result<Client> {
        let engine = Client::start(self.library.clone(), Arc::new(|| ()))?;
        engine.set_threads(threads.unwrap_or(self.settings.engine.n_threads()));
        engine.set_kv_budget(self.settings.engine.kv_budget_bytes());
        Ok(engine)
    }

    /// The engine, with language models on a device; `device` and `threads` go before the settings.
    ///
    /// # Errors
    /// If what was asked for by name cannot be had: nobody is to wait for a reply of the CPU's who
    /// asked for another's.
    pub(super) fn language_engine(
        &self,
        device: Option<Device>,
        threads: Option<usize>,
    ) -> Result<Client> {
        let engine = self.engine(threads)?;
        let choice = device.map_or(self.settings.engine.device, Into::into);
        let opened = engine.set_device(choice).wait(|_| ());
        opened.context("the engine ended before a reply began; start it again")??;
        Ok(engine)
    }
}

/// Runs one command.
///
/// # Errors
/// Whatever went wrong, as the sentence to print.
pub fn run(command: Command) -> Result<()> {
    let folders = Folders::of_this_user();
    let settings = Settings::load(&folders.settings())?;
    let setting = Setting { library: Library::new(folders), settings };
    match command {
        Command::Speak(args) => speak::run(&setting, &args),
        Command::Chat(args) => chat::run(&setting, &args),
        Command::Compare(args) => compare::run(&setting, &args),
        Command::Speculation(args) => speculation::run(&setting, args.action),
        Command::Models(args) => models::run(&setting, args.action),
        Command::Adapters(args) => adapters::run(&setting, args.action),
        Command::Dictionary(args) => dictionary::run(&setting, args.action),
        Command::Devices(args) => devices::run(&args),
        Command::Bench(args) => bench::run(&setting, args.subject),
        Command::Eval(args) => eval::run(&setting, &args),
    }
}
