//! Text to mel to sound.
