//! The accelerator thread, and the typed way to it.
