//! Kernels that candle lacks.
