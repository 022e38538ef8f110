//! The Chat page: conversations with a language model, and a look at how it writes.

mod by_adapter;
mod commands;
mod compare;
mod compare_results;
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
mod speculation;
mod state;
#[cfg(test)]
mod state_tests;
mod storage;
mod transcript;
mod tree;
mod view;

pub use page::ChatPage;
