//! A reply: what was written, how, and how long each step took.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{DecodeStep, FinishReason, Origin, Sampling, SpeculationCounts, Speculative, Token},
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
#[serde(from = "[u32; 7]", into = "[u32; 7]")]
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
}

/// One token, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "TokenRow", into = "TokenRow")]
pub struct ReplyToken {
    /// Bytes that it added to the text.
    pub text_len: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// How likely it was, by the model's own distribution; natural logarithm, three decimals.
    pub logprob: f32,
    /// The likeliest tokens in its place with their log-probabilities, the likeliest first.
    pub alternatives: Vec<(String, f32)>,
}

/// A token as a row of its file.
type TokenRow = (u32, Origin, f32, Vec<(String, f32)>);

impl From<TokenRow> for ReplyToken {
    fn from((text_len, origin, logprob, alternatives): TokenRow) -> Self {
        Self { text_len, origin, logprob, alternatives }
    }
}

impl From<ReplyToken> for TokenRow {
    fn from(token: ReplyToken) -> Self {
        (token.text_len, token.origin, token.logprob, token.alternatives)
    }
}

impl From<&Token> for ReplyToken {
    fn from(token: &Token) -> Self {
        // Never an infinity, which JSON cannot hold.
        let rounded = |logprob: f32| (logprob.max(-1e4) * 1e3).round() / 1e3;
        let top = token.top_logprobs.iter();
        Self {
            text_len: small(token.text.len() as u128),
            origin: token.origin,
            logprob: rounded(token.logprob),
            alternatives: top.map(|other| (other.text.clone(), rounded(other.logprob))).collect(),
        }
    }
}

impl From<[u32; 7]> for Step {
    fn from([text_len, tokens, drafted, accepted, draft_us, verify_us, gap_us]: [u32; 7]) -> Self {
        Self { text_len, tokens, drafted, accepted, draft_us, verify_us, gap_us }
    }
}

impl From<Step> for [u32; 7] {
    fn from(step: Step) -> Self {
        let Step { text_len, tokens, drafted, accepted, draft_us, verify_us, gap_us } = step;
        [text_len, tokens, drafted, accepted, draft_us, verify_us, gap_us]
    }
}

impl From<&DecodeStep> for Step {
    fn from(step: &DecodeStep) -> Self {
        Self {
            text_len: small(step.text().len() as u128),
            tokens: small(step.tokens.len() as u128),
            drafted: small(step.drafted as u128),
            accepted: small(step.accepted as u128),
            draft_us: small(step.draft_time.as_micros()),
            verify_us: small(step.verify_time.as_micros()),
            gap_us: 0,
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
                self.text = summary.text;
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
        let mut n_tokens = 0;
        self.steps.iter().enumerate().find(|(_, step)| {
            n_tokens += step.tokens as usize;
            token_idx < n_tokens
        })
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
    use crate::{
        domain::Alternative,
        engine::{ChatTiming, ReplyMemory},
    };

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
        assert_eq!(reply.tokens[3].alternatives, [("\n\"".to_owned(), -0.123)]);
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
    fn a_step_is_kept_as_seven_numbers() {
        let kept = serde_json::to_string(&Step::from(&step("ab", 2, 3))).unwrap();
        assert_eq!(kept, "[2,2,3,1,20,8000,0]");
    }
}
