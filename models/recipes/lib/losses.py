"""Spectrogram losses of the acoustic models."""

import torch
import torch.nn.functional as F


class Ssim:
    """1 - structural similarity of two mels (B, T, 80) scaled to about 0..1, averaged over the valid frames of a mask (B, T, 1)."""

    def __init__(self, device, size=11, sigma=1.5):
        g = torch.exp(-(torch.arange(size).float() - size // 2) ** 2 / (2 * sigma ** 2))
        self.window = (g / g.sum()).to(device)

    def __call__(self, a, b, mask):
        w, n = self.window, len(self.window) // 2
        a, b = a[:, None] * mask[:, None], b[:, None] * mask[:, None]
        blur = lambda t: F.conv2d(F.conv2d(t, w.view(1, 1, -1, 1), padding=(n, 0)), w.view(1, 1, 1, -1), padding=(0, n))
        ma, mb = blur(a), blur(b)
        va, vb, cov = blur(a * a) - ma ** 2, blur(b * b) - mb ** 2, blur(a * b) - ma * mb
        s = ((2 * ma * mb + 1e-4) * (2 * cov + 9e-4)) / ((ma ** 2 + mb ** 2 + 1e-4) * (va + vb + 9e-4))
        return ((1 - s[:, 0]) * mask).sum() / (mask.sum() * a.shape[-1])
