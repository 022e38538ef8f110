//! A language model: weights, vocabulary, chat template.

use std::{panic::resume_unwind, path::Path, sync::OnceLock, thread};

use super::{
    Error, ModelProblem,
    checkpoint::{self, OnProgress},
    network::{Backend, Network},
    shapes,
    template::ChatTemplate,
    tokenizer::{Splitter, Tokenizer},
};
use crate::{
    domain::{Message, ModelShape},
    nn::TensorDevice,
};

/// A model in memory; it does not change, so replies share it.
pub struct LanguageModel {
    name: String,
    network: Network,
    tokenizer: Tokenizer,
    chat_template: Option<ChatTemplate>,
    /// Computed when it is first wanted.
    vocabulary_hash: OnceLock<String>,
}

impl LanguageModel {
    /// Reads a Llama-family model for the CPU from a GGUF file, or from a folder as Hugging Face
    /// lays it out: `path` is the folder or its `model.safetensors`, `model.safetensors.index.json`
    /// or `config.json`.
    ///
    /// `on_progress` hears of bytes read and bytes in all.
    ///
    /// # Errors
    /// If a file is missing, cannot be read, is damaged, or holds a model that cannot be used here;
    /// or if `on_progress` cancelled the load.
    pub fn load(path: &Path, on_progress: OnProgress<'_>) -> Result<Self, Error> {
        Self::load_on(&Backend::Kernels, path, on_progress)
    }

    /// As [`LanguageModel::load`], for whatever it is to run on.
    ///
    /// # Errors
    /// As [`LanguageModel::load`], or if the device has no room or fails.
    pub fn load_on(
        backend: &Backend,
        path: &Path,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, Error> {
        let mut checkpoint = checkpoint::open(path, on_progress)?;
        let config = checkpoint.config()?;
        checkpoint::check(&*checkpoint, &config)?;
        let chat_template = match checkpoint.chat_template()? {
            Some(source) => {
                let template = ChatTemplate::compile(&source);
                Some(template.map_err(|why| checkpoint.problem(ModelProblem::ChatTemplate(why)))?)
            }
            None => None,
        };
        let name = checkpoint.name();
        let n_vocab = config.n_vocab;
        let read_tokenizer = || checkpoint::open(path, &mut |_, _| Ok(()))?.tokenizer(n_vocab);
        // Words and weights take about as long, and neither needs the other. Opening the files
        // twice is little beside that.
        let (network, tokenizer) = thread::scope(|scope| {
            let beside = thread::Builder::new().name("tokenizer".into());
            let beside = beside.spawn_scoped(scope, read_tokenizer);
            let network = Network::load(config, &mut *checkpoint, backend);
            let tokenizer = match beside {
                Ok(beside) => beside.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no thread to give: one after the other does as well.
                Err(_) => read_tokenizer(),
            };
            (network, tokenizer)
        });
        let (network, tokenizer, vocabulary_hash) = (network?, tokenizer?, OnceLock::new());
        Ok(Self { name, network, tokenizer, chat_template, vocabulary_hash })
    }

    /// A model of well-known sizes with made-up weights and a vocabulary without words: for figures,
    /// which do not depend on what is said.
    ///
    /// # Errors
    /// If the device has no room or fails.
    pub fn random(shape: ModelShape, device: &TensorDevice) -> Result<Self, Error> {
        let no_words = tokenizers::models::bpe::BPE::default();
        let tokenizer = Tokenizer {
            splitter: Splitter::Rules(Box::new(tokenizers::Tokenizer::new(no_words))),
            spellings: Vec::new(),
            first: None,
            stop_ids: Vec::new(),
            bos_text: String::new(),
            eos_text: String::new(),
            begins_with_space: false,
            label: "none".to_owned(),
        };
        Ok(Self {
            name: format!("{}, random weights", shape.label()),
            network: Network::random(shapes::config(shape), device)?,
            tokenizer,
            chat_template: None,
            vocabulary_hash: OnceLock::new(),
        })
    }

    /// What the file calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens that it can look at, prompt and reply together.
    pub fn context_length(&self) -> usize {
        self.network.config().context_length
    }

    /// Bytes of its weights in memory.
    pub fn n_bytes(&self) -> u64 {
        self.network.n_bytes()
    }

    /// The token ids of a conversation, up to where the model's turn begins.
    ///
    /// # Errors
    /// If the model has no chat template, or the template refuses the conversation.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        let template = self.chat_template.as_ref().ok_or(Error::NoChatTemplate)?;
        let (bos, eos) = (&self.tokenizer.bos_text, &self.tokenizer.eos_text);
        self.tokenizer.encode_prompt(&template.render(messages, bos, eos)?)
    }

    /// How many tokens a text has; none if it cannot be split.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode(text).map_or(0, |ids| ids.len())
    }

    /// The token ids of a text that is no conversation.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.tokenizer.encode(text)
    }

    /// What does its arithmetic, for people: an instruction set, or a graphics processor.
    pub fn arithmetic(&self) -> &str {
        self.network.label()
    }

    /// Whether a reply ends with this token.
    pub fn ends_with(&self, id: u32) -> bool {
        self.tokenizer.is_stop(id)
    }

    /// The text of some token ids that begin a text.
    pub fn text(&self, ids: &[u32]) -> String {
        self.tokenizer.text(ids)
    }

    /// Names the vocabulary: models of the same one speak of the same tokens.
    pub fn vocabulary_hash(&self) -> String {
        self.vocabulary_hash
            .get_or_init(|| self.tokenizer.hash(self.network.config().n_vocab))
            .clone()
    }

    /// What one token writes; its name if it writes nothing.
    pub(super) fn token_text(&self, id: u32) -> String {
        match self.tokenizer.bytes(id) {
            [] => self.tokenizer.name(id),
            bytes => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

#[cfg(test)]
impl LanguageModel {
    /// The transformer of a model that was loaded for the CPU.
    pub(super) fn transformer(&self) -> &super::transformer::Transformer {
        match &self.network {
            Network::Kernels(transformer) => transformer,
            Network::Tensors(_) => panic!("the model was loaded for a device"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::Cancelled,
        lm::tiny::{N_EMBD, N_FF, TinyFile},
    };
    use candle_core::{
        DType, Device, Tensor,
        quantized::{GgmlDType, QTensor, gguf_file::Value},
    };
    use proptest::prelude::*;

    fn zeros(shape: &[usize]) -> QTensor {
        let zeros = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        QTensor::quantize(&zeros, GgmlDType::F32).unwrap()
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut TinyFile), expected: &str) {
        let mut file = TinyFile::new(1);
        change(&mut file);
        match file.load() {
            Ok(_) => panic!("the file was loaded"),
            Err(Error::Model { problem, .. }) => assert_eq!(problem.to_string(), expected),
            Err(error) => panic!("{error}"),
        }
    }

    fn load_bytes(bytes: &[u8]) -> Result<LanguageModel, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        LanguageModel::load(&path, &mut |_, _| Ok(()))
    }

    fn file_bytes() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        TinyFile::new(1).write(&path);
        std::fs::read(path).unwrap()
    }

    /// Where the tensors begin in the bytes of a tiny file, or a little before.
    const HEADER_BYTES: usize = 6000;

    #[test]
    fn a_sound_file_is_loaded_with_progress() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        TinyFile::new(1).write(&path);
        let mut heard = Vec::new();
        let model = LanguageModel::load(&path, &mut |done, total| {
            heard.push((done, total));
            Ok(())
        });
        assert_eq!(model.unwrap().name(), "Tiny");
        assert!(heard.is_sorted());
        assert_eq!(heard.last().map(|(done, total)| done == total), Some(true));
    }

    #[test]
    fn a_load_can_be_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        TinyFile::new(1).write(&path);
        let outcome = LanguageModel::load(&path, &mut |_, _| Err(Cancelled));
        assert!(matches!(outcome, Err(Error::Cancelled(_))));
    }

    #[test]
    fn what_is_no_model_is_named_with_its_path() {
        let error = load_bytes(b"PK\x03\x04 a zip").err().unwrap().to_string();
        let why = "cannot use the model: it is neither a GGUF file nor a folder with config.json, \
                   tokenizer.json and safetensors: ";
        assert!(error.starts_with(why), "{error}");
        assert!(error.ends_with("model.gguf"), "{error}");
        assert!(load_bytes(b"").err().unwrap().to_string().contains("neither a GGUF file"));
        let missing = LanguageModel::load(Path::new("no/such.gguf"), &mut |_, _| Ok(()));
        let error = missing.err().unwrap().to_string();
        assert!(error.starts_with("cannot read the model: ") && error.ends_with("no/such.gguf"));
    }

    #[test]
    fn another_architecture_is_refused_by_name() {
        check(
            |file| file.set_value("general.architecture", Value::String("mamba".into())),
            "its architecture is \"mamba\", known is \"llama\"",
        );
    }

    #[test]
    fn a_missing_tensor_is_named() {
        check(
            |file| file.tensors.retain(|(name, _)| name != "blk.1.ffn_up.weight"),
            "tensor \"blk.1.ffn_up.weight\" is missing",
        );
    }

    #[test]
    fn a_misshaped_tensor_is_named_with_both_shapes() {
        check(
            |file| file.set_tensor("blk.0.ffn_down.weight", zeros(&[N_FF, N_EMBD])),
            "tensor \"blk.0.ffn_down.weight\" is [96, 64], expected [64, 96]",
        );
    }

    #[test]
    fn a_tensor_that_nobody_would_use_is_refused() {
        check(
            |file| file.set_tensor("blk.0.attn_q.bias", zeros(&[N_EMBD])),
            "tensor \"blk.0.attn_q.bias\" is a bias, and layers with biases are not provided for",
        );
    }

    #[test]
    fn a_mixture_of_experts_is_told_to_be_one() {
        check(
            |file| file.set_tensor("blk.0.ffn_gate_inp.weight", zeros(&[8, N_EMBD])),
            "tensor \"blk.0.ffn_gate_inp.weight\" belongs to a mixture of experts, which is not \
             provided for",
        );
        check(
            |file| file.set_value("llama.expert_count", Value::U32(8)),
            "it states \"llama.expert_count\" as 8, expected 0: a mixture of experts is not \
             provided for",
        );
    }

    #[test]
    fn a_window_shorter_than_the_context_is_refused() {
        check(
            |file| file.set_value("llama.attention.sliding_window", Value::U32(96)),
            "it states \"llama.attention.sliding_window\" as 96, expected 0 or the whole context of \
             160",
        );
    }

    #[test]
    fn impossible_values_are_refused_with_what_would_do() {
        check(
            |file| file.set_value("llama.attention.head_count_kv", Value::U32(3)),
            "it states \"llama.attention.head_count_kv\" as 3, expected a divisor of the 4 heads",
        );
        check(
            |file| file.set_value("llama.block_count", Value::U64(u64::MAX)),
            "it states \"llama.block_count\" as 18446744073709551615, expected 1 to 16777216",
        );
        check(
            |file| file.set_value("llama.rope.scaling.type", Value::String("yarn".into())),
            "it states \"llama.rope.scaling.type\" as yarn, expected \"none\" or \"linear\"",
        );
        check(
            |file| file.set_value("general.alignment", Value::U32(0)),
            "its header is damaged (its alignment is not 1 to 65536); fetch it again",
        );
        check(
            |file| file.values.retain(|(key, _)| key != "llama.feed_forward_length"),
            "it does not state \"llama.feed_forward_length\"",
        );
    }

    #[test]
    fn an_unknown_way_to_split_text_is_refused() {
        check(
            |file| file.set_value("tokenizer.ggml.pre", Value::String("martian".into())),
            "its tokenizer cannot be built (its text is split by \"martian\", known are smollm, \
             llama-bpe, qwen2, gpt-2, default)",
        );
    }

    #[test]
    fn divisors_of_the_rotary_frequencies_are_honoured() {
        let mut file = TinyFile::new(1);
        let divisors =
            Tensor::from_vec(vec![1f32, 1.0, 2.0, 2.0, 4.0, 8.0, 8.0, 8.0], 8, &Device::Cpu);
        let divisors = QTensor::quantize(&divisors.unwrap(), GgmlDType::F32).unwrap();
        let plain = file.load().unwrap().transformer().config().rope_frequencies.clone();
        file.set_tensor("rope_freqs.weight", divisors);
        let divided = file.load().unwrap().transformer().config().rope_frequencies.clone();
        assert_eq!(
            (divided[0], divided[2], divided[7]),
            (plain[0], plain[2] / 2.0, plain[7] / 8.0)
        );
    }

    #[test]
    fn a_truncated_file_is_an_error_wherever_it_ends() {
        let bytes = file_bytes();
        for length in (0..bytes.len()).step_by(397).chain([bytes.len() - 40]) {
            assert!(load_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damaged_header_ends_the_program(
            at in 0usize..HEADER_BYTES,
            garbage in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let mut bytes = file_bytes();
            bytes[at..at + garbage.len()].copy_from_slice(&garbage);
            // Whether it loads is not the point.
            load_bytes(&bytes).ok();
        }
    }
}
