//! What the page knows, event by event, without a window.

use std::time::{Duration, Instant};

use super::{
    conversation::Conversation,
    reply::{Remedy, Status},
    state::{State, Undo, Way},
    storage::Found,
};
use crate::{
    domain::{DecodeStep, FinishReason, Progress, Role, SpeculationCounts, Stage},
    engine::{ChatEvent, ChatSummary, ChatTiming, Error, ReplyMemory},
    settings,
    ui::{Action, Toast},
};

fn state() -> State {
    State::new("conversations".into(), "")
}

fn options() -> settings::Chat {
    settings::Chat::default()
}

fn step(text: &str, tokens: usize, drafted: usize) -> ChatEvent {
    ChatEvent::Step(DecodeStep::for_tests(text, tokens, drafted))
}

fn summary(text: &str, finish_reason: FinishReason) -> ChatSummary {
    ChatSummary {
        text: text.into(),
        token_ids: vec![1; 4],
        prompt_tokens: 20,
        reused_tokens: 5,
        context_length: 100,
        finish_reason,
        timing: ChatTiming {
            ttft: Duration::from_millis(40),
            total: Duration::from_millis(100),
            ..ChatTiming::default()
        },
        speculation: SpeculationCounts {
            drafts: 1,
            draft_tokens: 3,
            accepted_tokens: 2,
            accepted_by_position: vec![1, 1],
        },
        arithmetic: String::new(),
        weights_bytes: 0,
        adapters: Vec::new(),
        memory: ReplyMemory::default(),
    }
}

/// Types `text` into the composer of the conversation on show and sends it.
fn send(state: &mut State, text: &str, now: Instant) {
    state.set_draft(text, now);
    state.send(&options(), now).expect("it can be sent");
}

/// The path on show, by its texts.
fn said(state: &State) -> Vec<String> {
    let tree = &state.shown().tree;
    tree.path().iter().map(|node| tree.turn(*node).unwrap().text().to_owned()).collect()
}

/// A whole exchange.
fn exchange(state: &mut State, question: &str, answer: &str) {
    let now = Instant::now();
    send(state, question, now);
    let id = state.shown().id.clone();
    state.apply(&id, step(answer, 1, 0), now);
    state.finish(&id, Some(Ok(summary(answer, FinishReason::Stop))), now);
}

fn spoken(state: &mut State) -> Vec<String> {
    let actions = state.take_actions().into_iter();
    actions
        .filter_map(|action| match action {
            Action::ReadAloud(text) => Some(text),
            Action::Hush => Some("(hush)".into()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_reply_grows_step_by_step_and_ends_with_the_engines_figures() {
    let mut state = state();
    let begun = Instant::now();
    state.set_draft("  Say hello.  ", begun);
    let request = state.send(&options(), begun).unwrap();
    assert_eq!(request.messages.len(), 1);
    assert_eq!(request.messages[0].content, "Say hello.");
    assert_eq!(state.shown().draft, "");
    let id = state.shown().id.clone();
    let at = |ms| begun + Duration::from_millis(ms);
    let loading = |done| {
        let subject = "m".to_owned();
        ChatEvent::Progress(Progress { stage: Stage::Load, subject, done, total: 9 })
    };
    state.apply(&id, loading(9), at(500));
    assert!(state.writing(&id).unwrap().progress.is_some());
    let started = ChatEvent::Started { prompt_tokens: 20, reused_tokens: 5, context_length: 100 };
    state.apply(&id, started, at(520));
    state.apply(&id, step("Hello", 1, 0), at(540));
    state.apply(&id, step(", you there", 3, 3), at(560));

    let node = state.shown().last_reply().unwrap();
    let reply = state.shown().tree.reply(node).unwrap();
    assert_eq!(reply.text, "Hello, you there");
    let ttft = reply.figures.ttft_ms.unwrap();
    assert!((ttft - 40.0).abs() < 1e-6, "loading does not count: {ttft}");
    assert_eq!(reply.figures.context(), Some((24, 100)));
    assert_eq!(reply.figures.speculation.acceptance_rate(), Some(2.0 / 3.0));

    state.finish(&id, Some(Ok(summary("Hello, you there!", FinishReason::Stop))), at(570));
    let reply = state.shown().tree.reply(node).unwrap();
    assert_eq!((reply.text.as_str(), &reply.status), ("Hello, you there!", &Status::Finished));
    assert_eq!(reply.figures.tokens_per_sec().map(f64::round), Some(50.0));
    assert_eq!(state.n_writing(), 0);
}

#[test]
fn what_failed_stands_in_place_and_the_message_is_kept() {
    let mut state = state();
    let now = Instant::now();
    send(&mut state, "Anybody there?", now);
    let id = state.shown().id.clone();
    state.finish(&id, Some(Err(Error::Gone)), now);
    assert_eq!(said(&state), ["Anybody there?", ""]);
    let node = state.shown().last_reply().unwrap();
    let Status::Failed(failure) = &state.shown().tree.reply(node).unwrap().status else {
        panic!("it failed")
    };
    assert_eq!(failure.remedy, Remedy::TryAgain);
    // Once more, and this time the worker dies without a word.
    assert!(state.regenerate(node, &options(), now).is_some());
    state.finish(&id, None, now);
    let again = state.shown().last_reply().unwrap();
    assert_eq!(state.shown().tree.versions(again), [node, again]);
}

#[test]
fn nothing_is_sent_twice_or_empty() {
    let mut state = state();
    let now = Instant::now();
    state.set_draft("   ", now);
    assert!(state.send(&options(), now).is_none());
    send(&mut state, "One", now);
    state.set_draft("Two", now);
    assert!(state.send(&options(), now).is_none(), "a reply is being written");
    assert_eq!(state.shown().draft, "Two", "but the words are kept");
    let node = state.shown().last_reply().unwrap();
    assert!(state.regenerate(node, &options(), now).is_none());
}

#[test]
fn two_conversations_are_written_at_once() {
    let mut state = state();
    let now = Instant::now();
    send(&mut state, "First", now);
    let first = state.shown().id.clone();
    state.begin_conversation("");
    send(&mut state, "Second", now);
    let second = state.shown().id.clone();
    assert_eq!(state.n_writing(), 2);
    state.apply(&first, step("one", 1, 0), now);
    state.apply(&second, step("two", 1, 0), now);
    assert_eq!(said(&state), ["Second", "two"]);
    state.step(Way::Next);
    assert_eq!(said(&state), ["First", "one"]);
    state.finish(&second, Some(Ok(summary("two", FinishReason::Stop))), now);
    assert!(state.writing(&first).is_some());
}

#[test]
fn a_stopped_reply_keeps_what_was_written_and_is_not_read_further() {
    let mut state = state();
    let now = Instant::now();
    state.set_draft("Go on.", now);
    let aloud = settings::Chat { read_aloud: true, ..options() };
    state.send(&aloud, now).unwrap();
    let id = state.shown().id.clone();
    state.apply(&id, step("One. Two", 1, 0), now);
    assert_eq!(spoken(&mut state), ["(hush)", "One."]);
    state.stopping(&id);
    state.finish(&id, Some(Ok(summary("One. Two", FinishReason::Cancelled))), now);
    assert_eq!(spoken(&mut state), ["(hush)"]);
    let node = state.shown().last_reply().unwrap();
    let reply = state.shown().tree.reply(node).unwrap();
    assert_eq!((reply.text.as_str(), &reply.status), ("One. Two", &Status::Stopped));
}

#[test]
fn sentences_are_read_as_they_come_and_the_last_at_the_end() {
    let mut state = state();
    let now = Instant::now();
    state.set_draft("Go on.", now);
    state.send(&settings::Chat { read_aloud: true, ..options() }, now).unwrap();
    let id = state.shown().id.clone();
    spoken(&mut state);
    state.apply(&id, step("**One.** Two", 1, 0), now);
    state.apply(&id, step(" and. Three", 1, 0), now);
    assert_eq!(spoken(&mut state), ["One.", "Two and."]);
    state.finish(&id, Some(Ok(summary("**One.** Two and. Three", FinishReason::Stop))), now);
    assert_eq!(spoken(&mut state), ["Three"]);
    let node = state.shown().last_reply().unwrap();
    state.read_aloud(node);
    assert_eq!(spoken(&mut state), ["(hush)", "One.", "Two and.", "Three"]);
}

#[test]
fn an_edited_question_is_answered_anew_beside_the_old() {
    let mut state = state();
    exchange(&mut state, "Old?", "Yes.");
    let now = Instant::now();
    let question = state.shown().tree.path()[0];
    let request = state.edit(question, "New?", &options(), now).unwrap();
    assert_eq!(request.messages.last().unwrap().content, "New?");
    assert_eq!(said(&state), ["New?", ""]);
    let id = state.shown().id.clone();
    state.finish(&id, Some(Ok(summary("No.", FinishReason::Length))), now);
    let new = state.shown().tree.path()[0];
    state.switch(new, -1, now);
    assert_eq!(said(&state), ["Old?", "Yes."]);
}

#[test]
fn the_system_prompt_goes_along_and_stays_with_the_reply() {
    let mut state = state();
    let now = Instant::now();
    state.set_system_prompt("Rhyme.", now);
    state.set_draft("Hello", now);
    let request = state.send(&options(), now).unwrap();
    assert_eq!(request.messages[0].role, Role::System);
    let node = state.shown().last_reply().unwrap();
    assert_eq!(state.shown().tree.reply(node).unwrap().recipe.system_prompt, "Rhyme.");
}

#[test]
fn changes_reach_the_disk_soon_and_a_growing_reply_every_two_seconds() {
    let mut state = state();
    let begun = Instant::now();
    let at = |ms| begun + Duration::from_millis(ms);
    let n_written = |state: &mut State, ms| {
        state.save_due(at(ms));
        let actions = state.take_actions();
        actions.iter().filter(|action| matches!(action, Action::WriteFile { .. })).count()
    };
    send(&mut state, "Hello", begun);
    let id = state.shown().id.clone();
    assert_eq!(n_written(&mut state, 100), 0);
    assert_eq!(n_written(&mut state, 400), 1);
    let mut n_files = 0;
    for ms in (500..8_500).step_by(20) {
        state.apply(&id, step("x", 1, 0), at(ms));
        n_files += n_written(&mut state, ms);
    }
    assert_eq!(n_files, 3, "one for each two seconds");
    state.finish(&id, Some(Ok(summary("x", FinishReason::Stop))), at(8_500));
    assert_eq!(n_written(&mut state, 8_500), 1);
    assert_eq!(state.next_save(), None, "nothing is left to do");
}

#[test]
fn a_conversation_without_anything_in_it_has_no_file() {
    let mut state = state();
    let begun = Instant::now();
    state.set_draft("x", begun);
    state.save_due(begun + Duration::from_secs(1));
    assert!(matches!(state.take_actions()[..], [Action::WriteFile { .. }]));
    state.set_draft("", begun);
    state.save_due(begun + Duration::from_secs(2));
    assert!(matches!(state.take_actions()[..], [Action::DeleteFile(_)]));
    state.set_draft("", begun);
    state.save_due(begun + Duration::from_secs(3));
    assert!(state.take_actions().is_empty());
}

#[test]
fn a_deleted_conversation_can_be_had_back() {
    let mut state = state();
    exchange(&mut state, "First", "1");
    state.begin_conversation("");
    exchange(&mut state, "Second", "2");
    let titles = |state: &State| -> Vec<_> {
        state.conversations().iter().map(Conversation::title).collect()
    };
    assert_eq!(titles(&state), ["Second", "First"]);
    let now = Instant::now();
    state.save_due(now + Duration::from_secs(1));
    state.take_actions();
    let second = state.shown().id.clone();
    state.delete(&second);
    assert_eq!(titles(&state), ["First"]);
    assert_eq!(said(&state), ["First", "1"]);
    let [Action::DeleteFile(path)] = &state.take_actions()[..] else { panic!("its file goes") };
    assert_eq!(*path, state.path(&second));
    assert!(matches!(state.undoable(), Some(Undo::Conversation(..))));
    state.undo(now);
    assert_eq!(titles(&state), ["Second", "First"]);
    assert_eq!(said(&state), ["Second", "2"]);
    state.save_due(now + Duration::from_secs(2));
    assert!(matches!(state.take_actions()[..], [Action::WriteFile { .. }]), "and comes back");
}

#[test]
fn deleting_a_conversation_that_is_being_written_stops_it() {
    let mut state = state();
    let now = Instant::now();
    send(&mut state, "Hello", now);
    let id = state.shown().id.clone();
    state.delete(&id);
    assert_eq!(state.n_writing(), 0);
    assert_eq!(state.conversations().len(), 1, "an empty one takes its place");
    state.undo(now);
    let node = state.shown().last_reply().unwrap();
    assert_eq!(state.shown().tree.reply(node).unwrap().status, Status::Interrupted);
}

#[test]
fn a_deleted_message_can_be_had_back() {
    let mut state = state();
    exchange(&mut state, "One", "1");
    exchange(&mut state, "Two", "2");
    let now = Instant::now();
    let second = state.shown().tree.path()[2];
    state.delete_message(second, now);
    assert_eq!(said(&state), ["One", "1"]);
    state.undo(now);
    assert_eq!(said(&state), ["One", "1", "Two", "2"]);
}

#[test]
fn conversations_from_disk_stand_below_the_one_just_begun() {
    let mut state = state();
    let now = Instant::now();
    state.set_draft("typed while they were read", now);
    let mut old = Conversation::new("");
    old.tree.say("Old".into());
    let problem = "The conversation x.json is not understood".to_owned();
    state.add_found(Found { conversations: vec![old.clone()], problems: vec![problem.clone()] });
    assert!(state.is_read());
    assert_eq!(state.shown().draft, "typed while they were read");
    assert_eq!(state.conversations()[1], old);
    let actions = state.take_actions();
    let [Action::Toast(toast)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(*toast, Toast::error(problem));
    state.save_due(now);
    assert!(state.take_actions().is_empty(), "what was read is not written");
}

#[test]
fn a_new_conversation_is_not_begun_beside_an_empty_one() {
    let mut state = state();
    state.begin_conversation("");
    assert_eq!(state.conversations().len(), 1);
    exchange(&mut state, "One", "1");
    state.begin_conversation("");
    state.begin_conversation("");
    assert_eq!(state.conversations().len(), 2);
    state.step(Way::Next);
    assert_eq!(state.conversations().len(), 1, "an empty one is not kept");
}

#[test]
fn a_title_is_given_and_taken_back() {
    let mut state = state();
    exchange(&mut state, "What is a mel?", "A scale.");
    let now = Instant::now();
    let id = state.shown().id.clone();
    state.rename(&id, "  Scales ", now);
    assert_eq!(state.shown().title(), "Scales");
    state.rename(&id, "", now);
    assert_eq!(state.shown().title(), "What is a mel");
}

/// A pair in which both sides have answered.
fn pair() -> State {
    let mut state = state();
    state.pair();
    exchange(&mut state, "One", "with");
    assert!(state.turn_over());
    exchange(&mut state, "One", "without");
    assert!(state.turn_over());
    state
}

#[test]
fn the_conversation_beside_has_no_place_in_the_list() {
    let mut state = pair();
    assert_eq!(said(&state), ["One", "with"]);
    assert_eq!(state.beside().unwrap().tree.path().len(), 2);
    assert_eq!(state.listed().count(), 1);
    state.step(Way::Next);
    assert_eq!(said(&state), ["One", "with"], "there is no other to go to");
}

#[test]
fn nothing_is_sent_while_the_one_beside_is_written() {
    let mut state = pair();
    let now = Instant::now();
    assert!(state.turn_over());
    send(&mut state, "Two", now);
    state.turn_over();
    state.set_draft("Three", now);
    assert!(state.cannot_send().unwrap().contains("a reply is being written"));
}

#[test]
fn a_pair_is_deleted_and_had_back_together() {
    let mut state = pair();
    let now = Instant::now();
    let kept = state.conversations().to_vec();
    state.save_due(now + Duration::from_secs(1));
    state.take_actions();
    let id = state.shown().id.clone();
    state.delete(&id);
    let files: Vec<_> = state.take_actions();
    assert!(matches!(files[..], [Action::DeleteFile(_), Action::DeleteFile(_)]), "{files:?}");
    assert!(state.shown().is_blank() && state.beside().is_none());
    state.undo(now);
    assert_eq!(state.conversations(), kept);
    assert_eq!(said(&state), ["One", "with"]);
}

#[test]
fn parted_conversations_stand_in_the_list_each() {
    let mut state = pair();
    state.part(Instant::now());
    let titles: Vec<_> = state.listed().map(Conversation::title).collect();
    assert_eq!(titles, ["One", "One (base)"]);
    state.pair();
    state.part(Instant::now());
    assert_eq!(state.listed().count(), 2, "one in which nothing was said is not kept");
}

#[test]
fn a_message_deleted_beside_comes_back_beside() {
    let mut state = pair();
    let now = Instant::now();
    state.turn_over();
    let first = state.shown().tree.path()[0];
    state.delete_message(first, now);
    state.turn_over();
    assert!(state.beside().unwrap().tree.is_empty());
    state.undo(now);
    assert_eq!(said(&state), ["One", "with"], "the pair is looked at as before");
    assert_eq!(state.beside().unwrap().tree.path().len(), 2);
}
