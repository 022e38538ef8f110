//! Language models: from a prompt to the next tokens.
