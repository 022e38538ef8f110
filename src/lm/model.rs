//! A language model as one file: weights, vocabulary, chat template.

use std::path::Path;

use super::{
    Error, ModelProblem,
    config::Config,
    gguf::{Gguf, OnProgress},
    template::ChatTemplate,
    tokenizer::Tokenizer,
    transformer::Transformer,
};
use crate::domain::Message;

/// A model in memory; it does not change, so replies share it.
pub struct LanguageModel {
    name: String,
    transformer: Transformer,
    tokenizer: Tokenizer,
    chat_template: Option<ChatTemplate>,
}

impl LanguageModel {
    /// Reads a Llama-family model from a GGUF file.
    ///
    /// `on_progress` hears of bytes read and bytes in all.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds a model that cannot be used here; or if
    /// `on_progress` cancelled the load.
    pub fn load(path: &Path, on_progress: OnProgress<'_>) -> Result<Self, Error> {
        let mut gguf = Gguf::open(path, on_progress)?;
        let config = Config::read(&mut gguf)?;
        let tokenizer = Tokenizer::read(&gguf, config.n_vocab)?;
        let chat_template = match gguf.text("tokenizer.chat_template") {
            Some(source) => {
                let template = ChatTemplate::compile(source);
                Some(template.map_err(|why| gguf.problem(ModelProblem::ChatTemplate(why)))?)
            }
            None => None,
        };
        let file_name = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = gguf.text("general.name").map_or_else(file_name, str::to_owned);
        let transformer = Transformer::load(config, &mut gguf)?;
        Ok(Self { name, transformer, tokenizer, chat_template })
    }

    /// What the file calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens that it can look at, prompt and reply together.
    pub fn context_length(&self) -> usize {
        self.transformer.config().context_length
    }

    /// Bytes of its weights in memory.
    pub fn n_bytes(&self) -> u64 {
        self.transformer.n_bytes()
    }

    /// The token ids of a conversation, up to where the model's turn begins.
    ///
    /// # Errors
    /// If the model has no chat template, or the template refuses the conversation.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        let template = self.chat_template.as_ref().ok_or(Error::NoChatTemplate)?;
        let (bos, eos) = (self.tokenizer.bos_text(), self.tokenizer.eos_text());
        self.tokenizer.encode_prompt(&template.render(messages, bos, eos)?)
    }

    /// How many tokens a text has; none if it cannot be split.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode(text).map_or(0, |ids| ids.len())
    }

    /// The text of some token ids.
    pub fn text(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.tokenizer.bytes(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}
