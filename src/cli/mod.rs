//! Every page's work as a command.
