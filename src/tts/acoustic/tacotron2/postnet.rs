//! Tacotron 2's post-net: convolutions that hear the frames around each and say what to add.
//!
//! Source: "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram Predictions" §2.2,
//! <https://arxiv.org/abs/1712.05884>; layout as in NVIDIA/tacotron2 `model.py` at 185cd24.

use std::ops::Range;

use crate::nn::{BatchNorm, Conv1d, Features, Padding, Scope, WeightsError, activation};

/// All layers.
#[derive(Debug)]
pub struct PostNet {
    convs: Vec<Conv1d>,
}

impl PostNet {
    /// Reads a post-net over mels of `n_mels` bands.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, n_mels: usize) -> Result<Self, WeightsError> {
        let mut width = n_mels;
        let convs = (0..scope.count("convolutions"))
            .map(|index| {
                let conv = normed_conv(&scope.scope(format!("convolutions.{index}")), width)?;
                width = conv.n_out();
                Ok(conv)
            })
            .collect::<Result<_, WeightsError>>()?;
        if width != n_mels {
            return Err(scope.unexpected(
                "convolutions.0.0.conv.weight",
                format!("layers that end with {n_mels} outputs, one per mel band"),
            ));
        }
        Ok(Self { convs })
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.convs.iter().map(Conv1d::n_bytes).sum()
    }

    /// Frames on each side that have a say in one.
    pub fn reach(&self) -> usize {
        self.convs.iter().map(Conv1d::reach).sum()
    }

    /// The mel `(n_mels, n_frames)` with what is to be added.
    pub fn forward(&self, mel: &Features) -> Features {
        let mut x = mel.clone();
        let n_inner = self.convs.len().saturating_sub(1);
        for (index, conv) in self.convs.iter().enumerate() {
            x = conv.forward(&x);
            if index < n_inner {
                activation::tanh(&mut x.values);
            }
        }
        if !self.convs.is_empty() {
            x.add(mel);
        }
        x
    }

    /// The same for the frames in `wanted` alone, of a mel kept frame after frame; equals that part
    /// of the whole, if the mel goes on for [`PostNet::reach`] frames or ends.
    pub fn stretch(&self, columns: &[f32], n_mels: usize, wanted: Range<usize>) -> Vec<f32> {
        let n_frames = columns.len() / n_mels;
        let start = wanted.start.saturating_sub(self.reach());
        let end = (wanted.end + self.reach()).min(n_frames);
        let heard = Features::from_columns(&columns[start * n_mels..end * n_mels], n_mels);
        let columns = self.forward(&heard).to_columns();
        columns[(wanted.start - start) * n_mels..(wanted.end - start) * n_mels].to_vec()
    }
}

/// A convolution with zeros past the ends and the batch norm after it.
pub fn normed_conv(scope: &Scope<'_>, n_in: usize) -> Result<Conv1d, WeightsError> {
    let mut weight = scope.folded("0", &[None, Some(n_in), None])?;
    if weight.shape[2].is_multiple_of(2) {
        return Err(scope.unexpected("0.conv.weight", "an odd kernel"));
    }
    let mut bias = scope.bias("0", weight.shape[0])?;
    BatchNorm::load(&scope.scope("1"), weight.shape[0])?.fold_into(&mut weight, &mut bias);
    Ok(Conv1d::new(&weight, bias, 1, Padding::Zero))
}
