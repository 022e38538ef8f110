//! `formant chat`: one prompt, or a conversation at the terminal.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    args::Chat,
    interrupt::Interrupt,
    output::{Bar, json_line, millis},
    run::Setting,
    speak::text_or_stdin,
};
use crate::{
    domain::{FinishReason, Message},
    engine::{ChatEvent, ChatRequest, ChatSummary, Client},
};

pub(super) fn run(setting: &Setting, args: &Chat) -> Result<()> {
    let mut request = request(setting, args)?;
    let engine = setting.language_engine(args.device, args.threads)?;
    if let Some(prompt) = &args.prompt {
        request.messages.push(Message::user(text_or_stdin(prompt)?));
        reply(&engine, &request, args, None)?;
        return Ok(());
    }
    converse(&engine, request, args)
}

fn request(setting: &Setting, args: &Chat) -> Result<ChatRequest> {
    let chosen = &setting.settings.chat;
    let mut sampling = chosen.sampling;
    sampling.temperature = args.temperature.unwrap_or(sampling.temperature);
    sampling.top_k = args.top_k.unwrap_or(sampling.top_k);
    sampling.top_p = args.top_p.unwrap_or(sampling.top_p);
    sampling.min_p = args.min_p.unwrap_or(sampling.min_p);
    sampling.repetition_penalty = args.repetition_penalty.unwrap_or(sampling.repetition_penalty);
    sampling.seed = args.seed.unwrap_or(sampling.seed);
    let system = args.system.clone().unwrap_or_else(|| chosen.system_prompt.clone());
    Ok(ChatRequest {
        model: args.model.clone().unwrap_or_else(|| chosen.model.clone()),
        adapters: args.adapters.clone(),
        messages: if system.is_empty() { Vec::new() } else { vec![Message::system(system)] },
        sampling,
        max_tokens: args.max_tokens.map_or(chosen.max_tokens, |tokens| tokens as usize),
        speculative: match args.speculative {
            Some(method) => args.drafting.speculative(method)?,
            None => args.drafting.adjust(chosen.speculative.clone()),
        },
        top_logprobs: args.logprobs.unwrap_or(0).into(),
        opening: Vec::new(),
    })
}

/// Turn by turn until the input ends; a turn that fails does not end the conversation.
fn converse(engine: &Client, mut request: ChatRequest, args: &Chat) -> Result<()> {
    let at_terminal = std::io::stdin().is_terminal() && !args.json;
    let mut interrupt = None;
    if at_terminal {
        println!("Chatting with {}. Ctrl+C stops a reply; an empty line ends.", request.model);
        interrupt = Some(Interrupt::listen().context("Ctrl+C cannot be heard")?);
    }
    let mut lines = std::io::stdin().lock().lines();
    let mut failed = None;
    loop {
        if at_terminal {
            print!("\n> ");
            std::io::stdout().flush()?;
        }
        let Some(line) = lines.next().transpose().context("cannot read what was typed")? else {
            break;
        };
        if line.trim().is_empty() {
            break;
        }
        request.messages.push(Message::user(line));
        match reply(engine, &request, args, interrupt.as_deref()) {
            Ok(summary) => request.messages.push(Message::assistant(summary.text)),
            Err(error) => {
                request.messages.pop();
                eprintln!("formant: {error:#}");
                failed = Some(error);
            }
        }
    }
    // A program that feeds lines wants to know; a person has seen it.
    if at_terminal { Ok(()) } else { failed.map_or(Ok(()), Err) }
}

/// Writes one reply as it comes; an interrupt ends it there.
fn reply(
    engine: &Client,
    request: &ChatRequest,
    args: &Chat,
    interrupt: Option<&Interrupt>,
) -> Result<ChatSummary> {
    let json = args.json;
    let mut bar = Bar::new();
    let mut unread = None;
    let mut out = std::io::stdout();
    let job = engine.chat(request.clone());
    if let Some(interrupt) = interrupt {
        interrupt.set(job.canceller());
    }
    let summary = job.wait(|event| {
        if unread.is_some() {
            return;
        }
        let shown = match (&event, json) {
            (_, true) => print_event(&event, args.logprobs.is_some()),
            (ChatEvent::Progress(progress), false) => {
                bar.show(progress);
                Ok(())
            }
            (ChatEvent::Started { .. }, false) => {
                bar.clear();
                Ok(())
            }
            (ChatEvent::Step(step), false) => {
                out.write_all(step.text().as_bytes()).and_then(|()| out.flush())
            }
        };
        unread = shown.err();
    });
    bar.clear();
    if let Some(interrupt) = interrupt {
        interrupt.clear();
    }
    let summary = summary.context("the engine ended before the reply did; start it again")??;
    if let Some(error) = unread {
        return Err(error.into());
    }
    if json {
        print_figures(request, &summary)?;
    } else {
        say(&summary);
    }
    Ok(summary)
}

fn print_event(event: &ChatEvent, with_logprobs: bool) -> std::io::Result<()> {
    json_line(&match event {
        ChatEvent::Progress(progress) => json!({ "event": "progress", "progress": progress }),
        ChatEvent::Started { prompt_tokens, reused_tokens, context_length } => json!({
            "event": "started",
            "prompt_tokens": prompt_tokens,
            "reused_tokens": reused_tokens,
            "context_length": context_length,
        }),
        ChatEvent::Step(step) => {
            let mut line = json!({
                "event": "step",
                "text": step.text(),
                "token_ids": step.token_ids().collect::<Vec<_>>(),
                "drafted": step.drafted,
                "accepted": step.accepted,
                "method": step.draft.as_ref().and_then(|draft| draft.method),
                "matched": step.draft.as_ref().and_then(|draft| draft.matched.as_ref()),
                "choice": step.choice,
                "draft_ms": millis(step.draft_time),
                "verify_ms": millis(step.verify_time),
            });
            if with_logprobs {
                line["tokens"] = json!(step.tokens);
            }
            line
        }
    })
}

fn print_figures(request: &ChatRequest, summary: &ChatSummary) -> Result<()> {
    let timing = &summary.timing;
    let n_tokens = summary.token_ids.len();
    let itl: Vec<f64> = timing.itl.iter().copied().map(millis).collect();
    json_line(&json!({
        "event": "done",
        "model": request.model,
        "arithmetic": summary.arithmetic,
        "text": summary.text,
        "token_ids": summary.token_ids,
        "prompt_tokens": summary.prompt_tokens,
        "reused_tokens": summary.reused_tokens,
        "completion_tokens": n_tokens,
        "context_length": summary.context_length,
        "finish_reason": summary.finish_reason,
        "load_ms": millis(timing.load),
        "ttft_ms": millis(timing.ttft),
        "tpot_ms": timing.tpot(n_tokens).map(millis),
        "itl_ms": itl,
        "total_ms": millis(timing.total),
        "tokens_per_sec": tokens_per_sec(summary),
        "drafts": summary.speculation.drafts,
        "draft_tokens": summary.speculation.draft_tokens,
        "accepted_tokens": summary.speculation.accepted_tokens,
        "acceptance_rate": summary.speculation.acceptance_rate(),
        "acceptance_length": summary.speculation.acceptance_length(),
        "accepted_by_position": summary.speculation.accepted_by_position,
        "memory": {
            "weights_bytes": summary.weights_bytes,
            "adapter_bytes": summary.adapters.iter().map(|adapter| adapter.bytes).sum::<u64>(),
            "kv_bytes": summary.memory.kv_bytes,
            "kv_budget_bytes": summary.memory.kv_budget_bytes,
            "scratch_bytes": summary.memory.scratch_bytes,
        },
        "adapters": summary.adapters,
        "sampling": request.sampling,
        "speculative": request.speculative,
    }))?;
    Ok(())
}

/// Tokens after the first, over the time they took.
fn tokens_per_sec(summary: &ChatSummary) -> Option<f64> {
    let tpot = summary.timing.tpot(summary.token_ids.len())?.as_secs_f64();
    (tpot > 0.0).then(|| 1.0 / tpot)
}

/// Ends the line, and tells the figures to whoever watches.
fn say(summary: &ChatSummary) {
    println!();
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut figures = format!(
        "{} tokens, first after {:.0} ms",
        summary.token_ids.len(),
        millis(summary.timing.ttft)
    );
    if let Some(speed) = tokens_per_sec(summary) {
        figures += &format!(", then {speed:.1} per second");
    }
    if let Some(length) = summary.speculation.acceptance_length() {
        figures += &format!(", acceptance length {length:.2}");
    }
    for adapter in &summary.adapters {
        figures += &format!(", with {}", adapter.label());
    }
    match summary.finish_reason {
        FinishReason::Stop => (),
        FinishReason::Length => figures += "; cut at the token limit",
        FinishReason::Cancelled => figures += "; stopped",
    }
    eprintln!("[{figures}]");
}
