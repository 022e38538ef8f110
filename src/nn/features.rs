//! What one layer hands to the next: a row per channel, a column per phoneme, frame or sample.
//!
//! Channels stand apart and time is contiguous, as in the papers' `(C, T)`, because convolutions
//! then read and write whole vectors of time steps.

/// `(n_channels, len)`, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// All values, channel after channel.
    pub values: Vec<f32>,
    /// Rows.
    pub n_channels: usize,
    /// Columns.
    pub len: usize,
}

impl Features {
    /// All zero.
    pub fn zeros(n_channels: usize, len: usize) -> Self {
        Self { values: vec![0.0; n_channels * len], n_channels, len }
    }

    /// Each row filled with its own value: a bias, before a convolution adds to it.
    pub fn from_rows(row_values: &[f32], len: usize) -> Self {
        let mut features = Self::zeros(row_values.len(), len);
        if len > 0 {
            for (row, &value) in features.values.chunks_exact_mut(len).zip(row_values) {
                row.fill(value);
            }
        }
        features
    }

    /// From `(len, n_channels)`: frame after frame, as mels are kept.
    pub fn from_columns(columns: &[f32], n_channels: usize) -> Self {
        let len = columns.len() / n_channels.max(1);
        let mut features = Self::zeros(n_channels, len);
        for (at, column) in columns.chunks_exact(n_channels.max(1)).enumerate() {
            for (channel, &value) in column.iter().enumerate() {
                features.values[channel * len + at] = value;
            }
        }
        features
    }

    /// To `(len, n_channels)`: frame after frame.
    pub fn to_columns(&self) -> Vec<f32> {
        let mut columns = vec![0.0; self.values.len()];
        for channel in 0..self.n_channels {
            for (at, &value) in self.row(channel).iter().enumerate() {
                columns[at * self.n_channels + channel] = value;
            }
        }
        columns
    }

    /// One channel over time.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn row(&self, channel: usize) -> &[f32] {
        &self.values[channel * self.len..(channel + 1) * self.len]
    }

    /// One channel over time, to be written.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn row_mut(&mut self, channel: usize) -> &mut [f32] {
        &mut self.values[channel * self.len..(channel + 1) * self.len]
    }

    /// The columns whose indices are given, in that order; an index may come again.
    ///
    /// # Panics
    /// If an index is past the end.
    #[must_use]
    pub fn select(&self, columns: &[usize]) -> Self {
        let mut selected = Self::zeros(self.n_channels, columns.len());
        for channel in 0..self.n_channels {
            let source = self.row(channel);
            for (value, &at) in selected.row_mut(channel).iter_mut().zip(columns) {
                *value = source[at];
            }
        }
        selected
    }

    /// The rows in `channels`.
    ///
    /// # Panics
    /// If the range is past the end.
    pub fn rows(&self, channels: std::ops::Range<usize>) -> &[f32] {
        &self.values[channels.start * self.len..channels.end * self.len]
    }

    /// Applies `f` to every value.
    pub fn map(&mut self, f: impl Fn(f32) -> f32) {
        for value in &mut self.values {
            *value = f(*value);
        }
    }

    /// Adds `other`, value by value.
    ///
    /// # Panics
    /// In debug builds, if the shapes differ.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!((self.n_channels, self.len), (other.n_channels, other.len));
        for (value, &addend) in self.values.iter_mut().zip(&other.values) {
            *value += addend;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_as_they_went_in() {
        let columns = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let features = Features::from_columns(&columns, 2);
        assert_eq!(features.row(0), [1.0, 3.0, 5.0]);
        assert_eq!(features.row(1), [2.0, 4.0, 6.0]);
        assert_eq!(features.to_columns(), columns);
        assert_eq!(features.select(&[2, 2, 0]).row(1), [6.0, 6.0, 2.0]);
    }
}
