"""The stochastic duration predictor of VITS, with its parameter names (the option of Matcha's `proj_w`).

Source: "Conditional Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech",
sections 2.2.2 and B, <https://arxiv.org/abs/2106.06103>. A flow maps noise to log durations; in training, whole
frames are made continuous by a learnt posterior over what was rounded off.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

BINS, BOUND, SMALLEST = 10, 5.0, 1e-3
LN_2PI = math.log(2 * math.pi)


class ChannelNorm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

    def forward(self, x):
        return F.layer_norm(x.transpose(1, 2), (x.shape[1],), self.gamma, self.beta, 1e-5).transpose(1, 2)


class SeparableStack(nn.Module):
    """Three residual layers of depthwise (dilations 1, 3, 9) and pointwise convolutions."""

    def __init__(self, c, dropout=0.0):
        super().__init__()
        self.convs_sep = nn.ModuleList(nn.Conv1d(c, c, 3, padding=3 ** i, dilation=3 ** i, groups=c) for i in range(3))
        self.convs_1x1 = nn.ModuleList(nn.Conv1d(c, c, 1) for _ in range(3))
        self.norms_1, self.norms_2 = (nn.ModuleList(ChannelNorm(c) for _ in range(3)) for _ in range(2))
        self.dropout = dropout

    def forward(self, x, mask, given=None):
        x = x if given is None else x + given
        for deep, point, norm_1, norm_2 in zip(self.convs_sep, self.convs_1x1, self.norms_1, self.norms_2):
            y = F.gelu(norm_2(point(F.gelu(norm_1(deep(x * mask))))))
            x = x + F.dropout(y, self.dropout, self.training)
        return x * mask


def spline(x, widths, heights, slopes, inverse):
    """Monotone rational-quadratic spline on -5..5, the identity outside -> (values, log slope).

    Source: "Neural Spline Flows", <https://arxiv.org/abs/1906.04032>, equations 4, 5 and 29. x (...), the others
    (..., bins) and (..., bins - 1), all before their softmax or softplus.
    """
    def knots(u):
        share = SMALLEST + (1 - SMALLEST * BINS) * u.softmax(-1)
        return F.pad(2 * BOUND * share.cumsum(-1)[..., :-1] - BOUND, (1, 0), value=-BOUND), share

    left, w = knots(widths)
    low, h = knots(heights)
    edge = lambda k: F.pad(k, (0, 1), value=BOUND)
    w, h = edge(left).diff(dim=-1), edge(low).diff(dim=-1)
    d = SMALLEST + F.softplus(F.pad(slopes, (1, 1), value=math.log(math.expm1(1 - SMALLEST))))
    inside = (x >= -BOUND) & (x <= BOUND)
    y = x.clamp(-BOUND, BOUND)
    k = ((y[..., None] >= (low if inverse else left)).sum(-1) - 1).clamp(0, BINS - 1)[..., None]
    at = lambda v: v.gather(-1, k)[..., 0]
    x0, w, y0, h, d0, d1 = at(left), at(w), at(low), at(h), at(d[..., :-1]), at(d[..., 1:])
    s = h / w
    q = d0 + d1 - 2 * s
    if inverse:
        a, b, c = (y - y0) * q + h * (s - d0), h * d0 - (y - y0) * q, -s * (y - y0)
        theta = 2 * c / (-b - torch.sqrt((b * b - 4 * a * c).clamp_min(0)))
        out = theta * w + x0
    else:
        theta = (y - x0) / w
        out = y0 + h * (s * theta ** 2 + d0 * theta * (1 - theta)) / (s + q * theta * (1 - theta))
    rest = theta * (1 - theta)
    slope = s ** 2 * (d1 * theta ** 2 + 2 * s * rest + d0 * (1 - theta) ** 2) / (s + q * rest) ** 2
    log_slope = torch.log(slope) * (-1 if inverse else 1)
    return torch.where(inside, out, x), torch.where(inside, log_slope, torch.zeros_like(x))


class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        self.m, self.logs = nn.Parameter(torch.zeros(2, 1)), nn.Parameter(torch.zeros(2, 1))

    def forward(self, x, mask, given):
        return (self.m + torch.exp(self.logs) * x) * mask, (self.logs * mask).sum((1, 2))

    def inverse(self, x, mask, given):
        return (x - self.m) * torch.exp(-self.logs) * mask


class ConvFlow(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.pre, self.convs, self.proj = nn.Conv1d(1, c, 1), SeparableStack(c), nn.Conv1d(c, 3 * BINS - 1, 1)
        self.scale = 1 / math.sqrt(c)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def curve(self, x, mask, given):
        h = (self.proj(self.convs(self.pre(x), mask, given)) * mask).transpose(1, 2)[:, None].float()
        return h[..., :BINS] * self.scale, h[..., BINS:2 * BINS] * self.scale, h[..., 2 * BINS:]

    def forward(self, x, mask, given):
        a, b = x.split(1, 1)
        b, log_slope = spline(b, *self.curve(a, mask, given), inverse=False)
        return torch.cat([a, b], 1) * mask, (log_slope * mask).sum((1, 2))

    def inverse(self, x, mask, given):
        a, b = x.split(1, 1)
        b, _ = spline(b, *self.curve(a, mask, given), inverse=True)
        return torch.cat([a, b], 1) * mask


class Flip(nn.Module):
    def forward(self, x, mask, given):
        return x.flip(1), torch.zeros(len(x), device=x.device)

    def inverse(self, x, mask, given):
        return x.flip(1)


def flows(c):
    return nn.ModuleList([Affine()] + [m for _ in range(4) for m in (ConvFlow(c), Flip())])


class StochasticDurations(nn.Module):
    def __init__(self, n_in=192, c=128, dropout=0.5):
        super().__init__()
        self.pre, self.convs, self.proj = nn.Conv1d(n_in, c, 1), SeparableStack(c, dropout), nn.Conv1d(c, c, 1)
        self.post_pre, self.post_convs, self.post_proj = nn.Conv1d(1, c, 1), SeparableStack(c, dropout), nn.Conv1d(c, c, 1)
        self.flows, self.post_flows = flows(c), flows(c)
        self.noise_scale = 0.8

    @classmethod
    def from_state(cls, state):
        m = cls(*state["pre.weight"].shape[1::-1][:2])
        m.load_state_dict({k: v.float() for k, v in state.items()})
        return m.eval()

    def condition(self, hidden, mask):
        return self.proj(self.convs(self.pre(hidden), mask)) * mask

    def forward(self, hidden, mask, durations, noise=None):
        """Negative log-likelihood (an upper bound) of whole durations (B, 1, N), summed over each item: (B,)."""
        given = self.condition(hidden, mask)
        seen = self.post_proj(self.post_convs(self.post_pre(durations), mask)) * mask
        e = (torch.randn(len(hidden), 2, hidden.shape[2], device=hidden.device) if noise is None else noise) * mask
        z, log_q = e, (-0.5 * (LN_2PI + e ** 2) * mask).sum((1, 2))
        for flow in self.post_flows:
            z, slope = flow(z, mask, given + seen)
            log_q = log_q - slope
        rest, second = z.split(1, 1)
        log_q = log_q - ((F.logsigmoid(rest) + F.logsigmoid(-rest)) * mask).sum((1, 2))
        first = torch.log(((durations - torch.sigmoid(rest)) * mask).clamp_min(1e-5)) * mask
        log_p = -first.sum((1, 2))
        z = torch.cat([first, second], 1)
        for flow in self.flows:
            z, slope = flow(z, mask, given)
            log_p = log_p + slope
        log_p = log_p - (0.5 * (LN_2PI + z ** 2) * mask).sum((1, 2))
        return log_q - log_p

    @torch.no_grad()
    def sample(self, hidden, mask, noise=None):
        """Log durations (B, 1, N); the first coupling is left out, as VITS does."""
        given = self.condition(hidden, mask)
        z = torch.randn(len(hidden), 2, hidden.shape[2], device=hidden.device) if noise is None else noise
        z = z * self.noise_scale
        for flow in [f for i, f in reversed(list(enumerate(self.flows))) if i > 1]:
            z = flow.inverse(z, mask, given)
        return self.flows[0].inverse(z, mask, given)[:, :1]
