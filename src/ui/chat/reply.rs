//! A reply: what was written, how, and how long each step took.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        AdapterChoice, Alternative, DecodeStep, FinishReason, Guess, Origin, Sampling,
        SpeculationCounts, Speculative, Token,
    },
    engine::{ChatSummary, Error, ErrorKind},
    settings,
};

/// One version of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What the model wrote, as it wrote it.
    pub text: String,
    /// How far it has come.
    pub status: Status,
    /// What made it.
    pub recipe: Recipe,
    /// How long it took, and of how many tokens it is.
    pub figures: Figures,
    /// Each pass of the model; the lengths of their texts add up to at most that of `text`.
    pub steps: Vec<Step>,
    /// Each token; the lengths of their texts add up as those of the steps do. None in files of
    /// versions that did not keep them.
    #[serde(default)]
    pub tokens: Vec<ReplyToken>,
    /// How many of the tokens it was begun with: those of another version up to a place, and one that
    /// the user chose there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_opening: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How far a reply has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Status {
    /// It grows.
    Writing,
    /// The model said it was done.
    Finished,
    /// The token limit or the end of the context was reached.
    Length,
    /// The user stopped it.
    Stopped,
    /// Formant ended while it was written.
    Interrupted,
    /// It cannot be had, or not all of it.
    Failed(Failure),
}

/// What stands in the place of a reply that failed, in three lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    pub what: String,
    /// Why, with numbers.
    pub why: String,
    /// What helps.
    pub remedy: Remedy,
}

/// What helps against a failure; each is a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The model has to be fetched first.
    OpenModels,
    /// The conversation or an option has to change.
    ChangeRequest,
    /// The same again.
    TryAgain,
}

/// All that is needed to write the reply again, beside the messages before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Id of the model.
    pub model: String,
    /// What changed the model, and how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<AdapterChoice>,
    /// How tokens were chosen.
    pub sampling: Sampling,
    /// How several tokens were had from one pass.
    pub speculative: Speculative,
    /// Tokens at most.
    pub max_tokens: usize,
    /// Instructions above the conversation; empty for the model's own.
    #[serde(default)]
    pub system_prompt: String,
}

/// Counts and times of a reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Loading the model, in ms; in none of the others.
    pub load_ms: f64,
    /// From the request (model loaded) to the first token, in ms.
    pub ttft_ms: Option<f64>,
    /// From the request (model loaded) to the last token, in ms.
    pub total_ms: f64,
    /// Tokens written.
    pub tokens: usize,
    /// Tokens of the conversation before it.
    pub prompt_tokens: usize,
    /// How many of those were still in the cache.
    pub reused_tokens: usize,
    /// Tokens that the model can hold.
    pub context_length: usize,
    /// What speculation did.
    pub speculation: SpeculationCounts,
}

/// One pass of the model, as it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u32>", into = "[u32; 9]")]
pub struct Step {
    /// Bytes that it added to the text.
    pub text_len: u32,
    /// Tokens that it added.
    pub tokens: u32,
    /// Tokens drafted for it.
    pub drafted: u32,
    /// How many of them stood.
    pub accepted: u32,
    /// Time spent drafting, in µs.
    pub draft_us: u32,
    /// Time of the pass, in µs.
    pub verify_us: u32,
    /// Since the step before, as the engine measured it, in µs; zero for the first step and while
    /// the reply is being written.
    pub gap_us: u32,
    /// Speed that was expected, in thousandths of plain decoding's; zero where nothing was expected.
    pub gain_permille: u32,
    /// Tokens before the draft that were found earlier, where it was copied from.
    pub matched: u32,
}

/// One token, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "TokenRow", into = "TokenRow")]
pub struct ReplyToken {
    /// Its place in the vocabulary; unknown in files of versions that did not keep it.
    pub id: Option<u32>,
    /// Bytes that it added to the text.
    pub text_len: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// Who guessed it, if it was guessed and they said so.
    pub guess: Option<Guess>,
    /// How likely it was, by the model's own distribution; natural logarithm, three decimals.
    pub logprob: f32,
    /// The likeliest tokens in its place, the likeliest first.
    pub alternatives: Vec<Likely>,
}

/// A token that was likely in a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Likely {
    /// Its place in the vocabulary; unknown in files of versions that did not keep it.
    pub id: Option<u32>,
    /// What it would have written.
    pub text: String,
    /// How likely it was, as in [`ReplyToken::logprob`].
    pub logprob: f32,
}

/// What a reply is begun with.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// What the tokens write.
    pub text: String,
    /// The tokens, the user's choice last.
    pub tokens: Vec<ReplyToken>,
    /// Their ids.
    pub ids: Vec<u32>,
}

/// A token as a row of its file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TokenRow {
    Now(u32, u32, Origin, f32, Vec<(u32, String, f32)>, Option<Guess>),
    /// Of versions that kept no ids.
    Before(u32, Origin, f32, Vec<(String, f32)>),
}

impl From<TokenRow> for ReplyToken {
    fn from(row: TokenRow) -> Self {
        match row {
            TokenRow::Now(id, text_len, origin, logprob, others, guess) => {
                let likely = |(id, text, logprob)| Likely { id: Some(id), text, logprob };
                let alternatives = others.into_iter().map(likely).collect();
                Self { id: Some(id), text_len, origin, guess, logprob, alternatives }
            }
            TokenRow::Before(text_len, origin, logprob, others) => {
                let likely = |(text, logprob)| Likely { id: None, text, logprob };
                let alternatives = others.into_iter().map(likely).collect();
                Self { id: None, text_len, origin, guess: None, logprob, alternatives }
            }
        }
    }
}

impl From<ReplyToken> for TokenRow {
    fn from(token: ReplyToken) -> Self {
        let ReplyToken { id, text_len, origin, guess, logprob, alternatives } = token;
        let Some(id) = id else {
            let others = alternatives.into_iter().map(|other| (other.text, other.logprob));
            return Self::Before(text_len, origin, logprob, others.collect());
        };
        let others = alternatives
            .into_iter()
            .filter_map(|other| Some((other.id?, other.text, other.logprob)));
        Self::Now(id, text_len, origin, logprob, others.collect(), guess)
    }
}

impl From<&Token> for ReplyToken {
    fn from(token: &Token) -> Self {
        // Never an infinity, which JSON cannot hold.
        let rounded = |logprob: f32| (logprob.max(-1e4) * 1e3).round() / 1e3;
        let likely = |other: &Alternative| Likely {
            id: Some(other.id),
            text: other.text.clone(),
            logprob: rounded(other.logprob),
        };
        let probability = |guess: Guess| guess.probability.map(|it| (it * 1e4).round() / 1e4);
        Self {
            id: Some(token.id),
            text_len: small(token.text.len() as u128),
            origin: token.origin,
            guess: token.guess.map(|guess| Guess { probability: probability(guess), ..guess }),
            logprob: rounded(token.logprob),
            alternatives: token.top_logprobs.iter().map(likely).collect(),
        }
    }
}

impl From<Vec<u32>> for Step {
    /// Numbers at the end may be missing: versions before kept fewer.
    fn from(row: Vec<u32>) -> Self {
        let at = |index: usize| row.get(index).copied().unwrap_or(0);
        Self {
            text_len: at(0),
            tokens: at(1),
            drafted: at(2),
            accepted: at(3),
            draft_us: at(4),
            verify_us: at(5),
            gap_us: at(6),
            gain_permille: at(7),
            matched: at(8),
        }
    }
}

impl From<Step> for [u32; 9] {
    fn from(step: Step) -> Self {
        let Step { text_len, tokens, drafted, accepted, draft_us, verify_us, gap_us, .. } = step;
        let Step { gain_permille, matched, .. } = step;
        [text_len, tokens, drafted, accepted, draft_us, verify_us, gap_us, gain_permille, matched]
    }
}

impl From<&DecodeStep> for Step {
    fn from(step: &DecodeStep) -> Self {
        let matched = step.draft.as_ref().and_then(|draft| draft.matched.as_ref());
        Self {
            text_len: small(step.text().len() as u128),
            tokens: small(step.tokens.len() as u128),
            drafted: small(step.drafted as u128),
            accepted: small(step.accepted as u128),
            draft_us: small(step.draft_time.as_micros()),
            verify_us: small(step.verify_time.as_micros()),
            gap_us: 0,
            gain_permille: step.choice.as_ref().map_or(0, |it| (it.gain * 1e3).max(0.0) as u32),
            matched: matched.map_or(0, |it| small(it.positions.len() as u128)),
        }
    }
}

impl Step {
    /// Time since the step before: measured by the engine once the reply is done, until then the
    /// time of the step itself (draft and verify).
    pub fn latency_ms(&self) -> f64 {
        let us = if self.gap_us > 0 { self.gap_us } else { self.draft_us + self.verify_us };
        f64::from(us) / 1e3
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self::new(&settings::Chat::default(), "")
    }
}

impl Recipe {
    /// The options as they stand.
    pub fn new(options: &settings::Chat, system_prompt: &str) -> Self {
        Self {
            model: options.model.clone(),
            adapters: options.adapters_on(),
            sampling: options.sampling,
            speculative: options.speculative.clone(),
            max_tokens: options.max_tokens,
            system_prompt: system_prompt.to_owned(),
        }
    }
}

impl Reply {
    /// Nothing yet.
    pub fn begin(recipe: Recipe) -> Self {
        Self {
            text: String::new(),
            status: Status::Writing,
            recipe,
            figures: Figures::default(),
            steps: Vec::new(),
            tokens: Vec::new(),
            n_opening: 0,
        }
    }

    /// Whether it still grows.
    pub fn is_writing(&self) -> bool {
        self.status == Status::Writing
    }

    /// Takes in a step.
    pub fn add_step(&mut self, step: &DecodeStep) {
        self.text.push_str(&step.text());
        self.tokens.extend(step.tokens.iter().map(ReplyToken::from));
        self.figures.tokens += step.tokens.len();
        self.figures.speculation += step;
        self.steps.push(step.into());
    }

    /// Takes in the end, with the figures as the engine measured them.
    pub fn finish(&mut self, outcome: Result<ChatSummary, Error>) {
        match outcome {
            Ok(summary) => {
                self.status = match summary.finish_reason {
                    FinishReason::Stop => Status::Finished,
                    FinishReason::Length => Status::Length,
                    FinishReason::Cancelled => Status::Stopped,
                };
                for (step, gap) in self.steps.iter_mut().skip(1).zip(&summary.timing.itl) {
                    step.gap_us = small(gap.as_micros());
                }
                self.figures = Figures::of(&summary);
                self.text.truncate(self.opening_len());
                self.text.push_str(&summary.text);
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => self.status = Status::Stopped,
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &Error) {
        let remedy = match error.kind() {
            ErrorKind::NotFound => Remedy::OpenModels,
            ErrorKind::BadRequest => Remedy::ChangeRequest,
            ErrorKind::Busy | ErrorKind::Internal | ErrorKind::Cancelled => Remedy::TryAgain,
        };
        self.fail_with(error.to_string(), remedy);
    }

    /// Ends it with a failure; what was written stays.
    pub fn fail_with(&mut self, why: String, remedy: Remedy) {
        let what = match self.figures.tokens {
            0 => "No reply was written.".to_owned(),
            tokens => format!("The reply broke off after {tokens} tokens."),
        };
        self.status = Status::Failed(Failure { what, why, remedy });
    }

    /// The step that wrote a token, and its place among the steps.
    pub fn step_of(&self, token_idx: usize) -> Option<(usize, &Step)> {
        if token_idx < self.n_opening {
            return None;
        }
        let mut n_tokens = self.n_opening;
        self.steps.iter().enumerate().find(|(_, step)| {
            n_tokens += step.tokens as usize;
            token_idx < n_tokens
        })
    }

    /// What a reply would be begun with that says the same as this one up to a token, and something
    /// else in its place; `None` where that cannot be said in whole characters, or in files of versions
    /// that did not keep which tokens they were.
    pub fn opening(&self, token_idx: usize, other: &Likely) -> Option<Opening> {
        let before = self.tokens.get(..token_idx)?;
        let writes_nothing = |text: &str| text.is_empty() || text.contains('\u{fffd}');
        if writes_nothing(&other.text) || before.last().is_some_and(|token| token.text_len == 0) {
            return None;
        }
        let mut ids = before.iter().map(|token| token.id).collect::<Option<Vec<_>>>()?;
        ids.push(other.id?);
        let len: usize = before.iter().map(|token| token.text_len as usize).sum();
        let text = self.text.get(..len)?.to_owned() + &other.text;
        let mut tokens = before.to_vec();
        tokens.push(ReplyToken {
            id: other.id,
            text_len: small(other.text.len() as u128),
            origin: Origin::Chosen,
            guess: None,
            logprob: other.logprob,
            alternatives: self.tokens.get(token_idx)?.alternatives.clone(),
        });
        Some(Opening { text, tokens, ids })
    }

    /// Begins it with what was chosen; before anything else is written.
    pub fn open_with(&mut self, opening: Opening) {
        self.n_opening = opening.tokens.len();
        self.text = opening.text;
        self.tokens = opening.tokens;
    }

    /// Bytes of the text that it was begun with.
    fn opening_len(&self) -> usize {
        self.tokens.iter().take(self.n_opening).map(|token| token.text_len as usize).sum()
    }

    /// Ends it if it was being written when its file was: nobody writes it any more.
    pub fn settle(&mut self) {
        if self.is_writing() {
            self.status = Status::Interrupted;
        }
    }
}

impl Figures {
    fn of(summary: &ChatSummary) -> Self {
        let timing = &summary.timing;
        Self {
            load_ms: millis(timing.load),
            ttft_ms: (!summary.token_ids.is_empty()).then(|| millis(timing.ttft)),
            total_ms: millis(timing.total),
            tokens: summary.token_ids.len(),
            prompt_tokens: summary.prompt_tokens,
            reused_tokens: summary.reused_tokens,
            context_length: summary.context_length,
            speculation: summary.speculation.clone(),
        }
    }

    /// Notes when the first and the latest tokens came, as seen from here; the engine's own
    /// figures replace it at the end.
    pub fn observe(&mut self, begun: Instant, now: Instant) {
        let since = millis(now.saturating_duration_since(begun));
        self.ttft_ms.get_or_insert(since);
        self.total_ms = since;
    }

    /// Time per output token after the first, in ms: `(total − TTFT) / (tokens − 1)`.
    pub fn tpot_ms(&self) -> Option<f64> {
        let ttft = self.ttft_ms?;
        (self.tokens > 1).then(|| (self.total_ms - ttft) / (self.tokens as f64 - 1.0))
    }

    /// Tokens per second after the first: `(tokens − 1) / (total − TTFT)`.
    pub fn tokens_per_sec(&self) -> Option<f64> {
        self.tpot_ms().filter(|tpot| *tpot > 0.0).map(|tpot| 1e3 / tpot)
    }

    /// Tokens of the context that are taken, of how many; `None` before the prompt was read.
    pub fn context(&self) -> Option<(usize, usize)> {
        (self.context_length > 0).then(|| (self.prompt_tokens + self.tokens, self.context_length))
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A step's figures never come near the limit; if one did, it would stay there.
fn small(number: u128) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ChatTiming, ReplyMemory};

    fn step(text: &str, tokens: usize, drafted: usize) -> DecodeStep {
        DecodeStep {
            draft_time: Duration::from_micros(20),
            verify_time: Duration::from_millis(8),
            ..DecodeStep::for_tests(text, tokens, drafted)
        }
    }

    #[test]
    fn steps_add_up_to_the_text_and_the_counts() {
        let mut reply = Reply::begin(Recipe::default());
        reply.add_step(&step("Hello", 1, 0));
        reply.add_step(&step(" there, you", 3, 3));
        assert_eq!(reply.text, "Hello there, you");
        assert_eq!(reply.figures.tokens, 4);
        assert_eq!(reply.figures.speculation.acceptance_length(), Some(3.0));
        assert!((reply.steps[1].latency_ms() - 8.02).abs() < 1e-9);
    }

    #[test]
    fn each_token_keeps_its_origin_its_likelihood_and_its_step() {
        let mut reply = Reply::begin(Recipe::default());
        reply.add_step(&step("Hello", 1, 0));
        let mut second = step(" there, you", 3, 3);
        second.tokens[1].logprob = f32::NEG_INFINITY;
        let text = "\n\"".to_owned();
        second.tokens[2].top_logprobs = vec![Alternative { id: 5, text, logprob: -0.123_456 }];
        reply.add_step(&second);
        let origins: Vec<_> = reply.tokens.iter().map(|token| token.origin).collect();
        let (own, drafted) = (Origin::Sampled, Origin::Drafted);
        assert_eq!(origins, [own, drafted, drafted, own]);
        let lengths: usize = reply.tokens.iter().map(|token| token.text_len as usize).sum();
        assert_eq!(lengths, reply.text.len());
        let steps = [0, 1, 2, 3, 4].map(|token| reply.step_of(token).map(|(number, _)| number));
        assert_eq!(steps, [Some(0), Some(1), Some(1), Some(1), None]);
        let likely = Likely { id: Some(5), text: "\n\"".to_owned(), logprob: -0.123 };
        assert_eq!(reply.tokens[3].alternatives, [likely]);
        let kept = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&kept).unwrap(), reply);
    }

    #[test]
    fn the_engines_figures_replace_those_seen_from_here() {
        let mut reply = Reply::begin(Recipe::default());
        reply.add_step(&step("a", 1, 0));
        reply.add_step(&step("b", 1, 0));
        reply.finish(Ok(ChatSummary {
            text: "ab\u{fffd}".into(),
            token_ids: vec![1, 2],
            prompt_tokens: 10,
            reused_tokens: 0,
            context_length: 100,
            finish_reason: FinishReason::Cancelled,
            timing: ChatTiming {
                ttft: Duration::from_millis(30),
                total: Duration::from_millis(50),
                itl: vec![Duration::from_millis(20)],
                ..ChatTiming::default()
            },
            speculation: SpeculationCounts::default(),
            arithmetic: String::new(),
            weights_bytes: 0,
            adapters: Vec::new(),
            memory: ReplyMemory::default(),
        }));
        assert_eq!(reply.status, Status::Stopped);
        assert_eq!(reply.text, "ab\u{fffd}", "the tail is there");
        assert_eq!(reply.steps[1].gap_us, 20_000);
        assert_eq!(reply.figures.tokens_per_sec(), Some(50.0));
        assert_eq!(reply.figures.context(), Some((12, 100)));
    }

    #[test]
    fn a_failure_keeps_what_was_written_and_says_what_helps() {
        let mut reply = Reply::begin(Recipe::default());
        reply.add_step(&step("Half a", 2, 1));
        reply.finish(Err(Error::Busy { waiting: 64 }));
        let Status::Failed(failure) = &reply.status else { panic!("{:?}", reply.status) };
        assert_eq!(failure.what, "The reply broke off after 2 tokens.");
        assert!(failure.why.contains("64 jobs"), "{}", failure.why);
        assert_eq!(failure.remedy, Remedy::TryAgain);
        assert_eq!(reply.text, "Half a");
    }

    #[test]
    fn a_step_is_kept_as_nine_numbers_and_read_from_fewer() {
        let kept = serde_json::to_string(&Step::from(&step("ab", 2, 3))).unwrap();
        assert_eq!(kept, "[2,2,3,1,20,8000,0,0,0]");
        let before: Step = serde_json::from_str("[2,2,3,1,20,8000,7]").unwrap();
        assert_eq!((before.gap_us, before.gain_permille, before.matched), (7, 0, 0));
    }

    #[test]
    fn tokens_of_versions_that_kept_no_ids_are_read_and_written_again() {
        let kept = r#"[5,"drafted",-0.5,[[" the",-0.5],[" a",-1.25]]]"#;
        let token: ReplyToken = serde_json::from_str(kept).unwrap();
        assert_eq!((token.id, token.text_len, token.alternatives.len()), (None, 5, 2));
        assert_eq!(serde_json::to_string(&token).unwrap(), kept);
    }

    #[test]
    fn a_branch_begins_as_the_reply_did_and_goes_on_with_what_was_chosen() {
        let mut reply = Reply::begin(Recipe::default());
        reply.add_step(&step("Hello", 1, 0));
        reply.add_step(&step(" there", 1, 0));
        let other = Likely { id: Some(9), text: " you".to_owned(), logprob: -1.0 };
        let opening = reply.opening(1, &other).unwrap();
        assert_eq!((opening.text.as_str(), opening.ids.as_slice()), ("Hello you", &[7, 9][..]));
        let mut branch = Reply::begin(Recipe::default());
        branch.open_with(opening);
        branch.add_step(&step(", again", 1, 0));
        assert_eq!(branch.text, "Hello you, again");
        assert_eq!(branch.tokens[1].origin, Origin::Chosen);
        assert_eq!([1, 2].map(|at| branch.step_of(at).map(|(number, _)| number)), [None, Some(0)]);
        let half = Likely { text: "\u{fffd}".to_owned(), ..other.clone() };
        assert_eq!(reply.opening(1, &half), None, "half a character cannot be chosen");
        assert_eq!(reply.opening(1, &Likely { id: None, ..other }), None);
    }
}
