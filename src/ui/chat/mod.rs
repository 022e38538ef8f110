//! The Chat page: conversations with a language model, and a look at how it writes.

mod commands;
mod composer;
mod conversation;
mod export;
mod figures;
mod icons;
mod list;
mod message;
mod options;
mod page;
mod parts;
mod rack;
mod reply;
mod sentences;
mod state;
#[cfg(test)]
mod state_tests;
mod storage;
mod transcript;
mod tree;
mod view;

pub use page::ChatPage;
