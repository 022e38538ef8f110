//! Tests of the whole, in one program.

mod ui_chat;
