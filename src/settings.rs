//! What the user chose, as TOML.
