//! Signal processing on slices: spectrograms, phase reconstruction, pitch.
