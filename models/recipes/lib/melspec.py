"""Mel spectrogram and F0 in torch.

The mel convention is the one of jik876's HiFi-GAN: 22,050 Hz, n_fft = window = 1024 (periodic Hann),
hop 256, no centring, 384 samples of reflect padding, 80 Slaney mels 0..8000 Hz,
ln(max(mel, 1e-5)), magnitude sqrt(re^2 + im^2 + 1e-9).
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

SAMPLE_RATE, N_FFT, HOP, N_MELS, F_MIN, F_MAX = 22050, 1024, 256, 80, 0.0, 8000.0


def hz_to_mel(f):
    f = np.asarray(f, float)
    return np.where(f >= 1000, 15 + np.log(np.maximum(f, 1e-9) / 1000) / (math.log(6.4) / 27), f / (200 / 3))


def mel_to_hz(m):
    m = np.asarray(m, float)
    return np.where(m >= 15, 1000 * np.exp(math.log(6.4) / 27 * (m - 15)), m * 200 / 3)


def mel_basis(n_fft=N_FFT, n_mels=N_MELS, f_min=F_MIN, f_max=F_MAX, sample_rate=SAMPLE_RATE):
    """Slaney mel filter bank (equal to librosa's htk=False, norm='slaney')."""
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    points = mel_to_hz(np.linspace(hz_to_mel(f_min), hz_to_mel(f_max), n_mels + 2))
    width, ramp = np.diff(points), points[:, None] - bins[None]
    w = np.maximum(0, np.minimum(-ramp[:-2] / width[:-1, None], ramp[2:] / width[1:, None]))
    return (w * (2 / (points[2:] - points[:-2]))[:, None]).astype(np.float32)


_cache = {}


def _constants(device):
    if device not in _cache:
        _cache[device] = (torch.hann_window(N_FFT, device=device), torch.from_numpy(mel_basis()).to(device))
    return _cache[device]


def mel(y, with_energy=False):
    """y (B, N) -> ln mel (B, 80, N // 256); energy is the L2 norm of the 80 linear mel bins of a frame."""
    window, basis = _constants(y.device)
    pad = (N_FFT - HOP) // 2
    y = F.pad(y[:, None], (pad, pad), mode="reflect")[:, 0]
    s = torch.stft(y, N_FFT, HOP, N_FFT, window, center=False, return_complex=True)
    linear = basis @ torch.sqrt(s.real ** 2 + s.imag ** 2 + 1e-9)
    log_mel = torch.log(linear.clamp_min(1e-5))
    return (log_mel, linear.pow(2).sum(1).sqrt()) if with_energy else log_mel


def f0_yin(y, f_min=60.0, f_max=280.0, threshold=0.4, window=800):
    """Batched YIN with parabolic interpolation: y (B, N) -> f0 in Hz (B, N // 256), 0 where unvoiced."""
    lag_max, lag_min = int(SAMPLE_RATE / f_min) + 2, int(SAMPLE_RATE / f_max)
    frames, span = y.shape[1] // HOP, window + lag_max
    fr = F.pad(y, (span // 2 - HOP // 2, span)).unfold(1, span, HOP)[:, :frames]
    n = 2048 if span <= 2048 else 4096
    a, b = torch.fft.rfft(fr[..., :window], n), torch.fft.rfft(fr, n)
    corr = torch.fft.irfft(a.conj() * b, n)[..., :lag_max]
    e = F.pad(fr.pow(2).cumsum(-1), (1, 0))
    e0, e_lag = e[..., window:window + 1] - e[..., :1], e[..., window:window + lag_max] - e[..., :lag_max]
    diff = (e0 + e_lag - 2 * corr).clamp_min(0)
    norm = diff * torch.arange(lag_max, device=y.device) / (diff.cumsum(-1) + 1e-8)
    norm[..., 0] = 1
    part = norm[..., lag_min:lag_max - 1]
    rank = torch.arange(part.shape[-1], device=y.device).float()
    i = (part + 0.15 * rank / part.shape[-1]).argmin(-1)  # among near-equal dips prefer the shorter lag
    best = part.gather(-1, i[..., None])[..., 0]
    i = (i + lag_min).clamp(1, lag_max - 2)
    at = lambda k: norm.gather(-1, k[..., None])[..., 0]
    y0, y1, y2 = at(i - 1), at(i), at(i + 1)
    shift = (0.5 * (y0 - y2) / (y0 - 2 * y1 + y2 + 1e-9)).clamp(-1, 1)
    voiced = (best < threshold) & (e0[..., 0] / window > 1e-6)
    f0 = torch.where(voiced, SAMPLE_RATE / (i + shift), torch.zeros_like(best))
    # the median over the voiced neighbours removes isolated octave jumps and single frames
    near = F.pad(f0, (2, 2)).unfold(1, 5, 1)
    count, ordered = (near > 0).sum(-1), near.sort(-1).values
    median = ordered.gather(-1, (4 - (count - 1).clamp_min(0) // 2)[..., None].clamp(0, 4))[..., 0]
    jump = voiced & (count >= 2) & ((f0 / median.clamp_min(1) - 1).abs() > 0.2)
    return torch.where(jump, median, torch.where(count >= 2, f0, torch.zeros_like(f0)))
