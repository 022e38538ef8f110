"""Matcha-TTS with the public parameter names, trained on known durations.

The reference adds its 1/0 mask to the attention logits of the decoder instead of hiding what is padded, pads
every utterance to a multiple of four frames, and normalises groups over all of them. Here a padded batch
does the same for each item: frames up to its own multiple of four exist, all others do not. So an item in
a batch equals the item alone.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from .fastspeech2 import expand
from .recurrent import length_mask

SIGMA_MIN = 1e-4


class ChannelNorm(nn.Module):
    def __init__(self, c, eps=1e-4):
        super().__init__()
        self.gamma, self.beta, self.eps = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c)), eps

    def forward(self, x):
        return F.layer_norm(x.transpose(1, 2), (x.shape[1],), self.gamma, self.beta, self.eps).transpose(1, 2)


def conv(a, b, kernel):
    return nn.Conv1d(a, b, kernel, padding=kernel // 2)


class Prenet(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv_layers = nn.ModuleList(conv(c, c, 5) for _ in range(3))
        self.norm_layers = nn.ModuleList(ChannelNorm(c) for _ in range(3))
        self.proj = conv(c, c, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x, mask):
        y = x
        for layer, norm in zip(self.conv_layers, self.norm_layers):
            y = F.dropout(F.relu(norm(layer(y * mask))), 0.5, self.training)
        return (x + self.proj(y)) * mask


def rotate(x):
    """Rotary positions on the first half of the features of x (B, heads, T, C)."""
    d = x.shape[-1] // 2
    rate = torch.exp(torch.arange(0, d, 2, device=x.device).float() * (-math.log(10000) / d))
    angle = torch.arange(x.shape[2], device=x.device).float()[:, None] * rate
    angle = torch.cat([angle, angle], 1)
    turned, rest = x[..., :d], x[..., d:]
    half = torch.cat([-turned[..., d // 2:], turned[..., :d // 2]], -1)
    return torch.cat([(turned * angle.cos() + half * angle.sin()).to(x.dtype), rest], -1)


class SelfAttention(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (conv(c, c, 1) for _ in range(4))

    def forward(self, x, mask):
        b, c, t = x.shape
        split = lambda y: y.view(b, self.heads, c // self.heads, t).transpose(2, 3)
        q, k, v = rotate(split(self.conv_q(x))), rotate(split(self.conv_k(x))), split(self.conv_v(x))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, :, None] > 0)
        return self.conv_o(y.transpose(2, 3).reshape(b, c, t))


class FeedForward(nn.Module):
    def __init__(self, c, hidden):
        super().__init__()
        self.conv_1, self.conv_2 = conv(c, hidden, 3), conv(hidden, c, 3)

    def forward(self, x, mask, dropout):
        y = F.dropout(F.relu(self.conv_1(x * mask)), dropout, self.training)
        return self.conv_2(y * mask) * mask


class EncoderStack(nn.Module):
    def __init__(self, c, hidden, layers, heads, dropout):
        super().__init__()
        self.attn_layers = nn.ModuleList(SelfAttention(c, heads) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(c) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(FeedForward(c, hidden) for _ in range(layers))
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(c) for _ in range(layers))
        self.dropout = dropout

    def forward(self, x, mask):
        drop = lambda y: F.dropout(y, self.dropout, self.training)
        for attention, norm_1, feed, norm_2 in zip(self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2):
            x = x * mask
            x = norm_1(x + drop(attention(x, mask)))
            x = norm_2(x + drop(feed(x, mask, self.dropout)))
        return x * mask


class DurationPredictor(nn.Module):
    def __init__(self, c, hidden):
        super().__init__()
        self.conv_1, self.norm_1 = conv(c, hidden, 3), ChannelNorm(hidden)
        self.conv_2, self.norm_2 = conv(hidden, hidden, 3), ChannelNorm(hidden)
        self.proj = conv(hidden, 1, 1)

    def forward(self, x, mask):
        drop = lambda y: F.dropout(y, 0.1, self.training)
        x = drop(self.norm_1(F.relu(self.conv_1(x * mask))))
        x = drop(self.norm_2(F.relu(self.conv_2(x * mask))))
        return self.proj(x * mask) * mask


class TextEncoder(nn.Module):
    def __init__(self, n_symbols, c, hidden, layers, heads, durations, n_mels):
        super().__init__()
        self.emb = nn.Embedding(n_symbols, c)
        nn.init.normal_(self.emb.weight, 0, c ** -0.5)
        self.prenet = Prenet(c)
        self.encoder = EncoderStack(c, hidden, layers, heads, 0.1)
        self.proj_m = conv(c, n_mels, 1)
        self.proj_w = DurationPredictor(c, durations)

    def forward(self, x, lengths):
        """Symbols (B, N) -> hidden (B, C, N), mean mels (B, 80, N), log durations (B, 1, N) and the mask (B, 1, N)."""
        mask = length_mask(lengths, x.shape[1])[:, None]
        h = (self.emb(x) * math.sqrt(self.emb.embedding_dim)).transpose(1, 2)
        h = self.encoder(self.prenet(h, mask), mask)
        return h, self.proj_m(h) * mask, self.proj_w(h.detach(), mask), mask


class Frames:
    """Which frames of a padded batch are valid, and which exist for the item (up to a multiple of `multiple`)."""

    def __init__(self, valid, exist):
        self.valid, self.exist = valid[:, None], exist[:, None]  # (B, 1, T)
        self.bias = valid.masked_fill(exist == 0, -1e4)[:, None, None]  # (B, 1, 1, T): the reference adds its mask

    @classmethod
    def of(cls, n_frames, t):
        return cls(length_mask(n_frames, t), length_mask(-(-n_frames // 4) * 4, t))

    def halved(self):
        return Frames(self.valid[:, 0, ::2], self.exist[:, 0, ::2])


class Normed(nn.Module):
    """Convolution, group norm over the frames that exist, Mish."""

    def __init__(self, a, b):
        super().__init__()
        self.block = nn.Sequential(conv(a, b, 3), nn.GroupNorm(8, b), nn.Mish())

    def forward(self, x, frames):
        y, norm, e = self.block[0](x * frames.valid).float(), self.block[1], frames.exist[:, None]
        b, c, t = y.shape
        y = y.view(b, 8, c // 8, t)
        n = e.sum((2, 3), keepdim=True) * (c // 8)
        y = y - (y * e).sum((2, 3), keepdim=True) / n
        y = y * torch.rsqrt((y * y * e).sum((2, 3), keepdim=True) / n + norm.eps)
        y = y.view(b, c, t) * norm.weight[:, None] + norm.bias[:, None]
        return F.mish(y) * frames.valid


class Residual(nn.Module):
    def __init__(self, a, b, time):
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time, b))
        self.block1, self.block2 = Normed(a, b), Normed(b, b)
        self.res_conv = conv(a, b, 1)

    def forward(self, x, frames, time):
        h = self.block1(x, frames) + self.mlp(time)[..., None]
        return self.block2(h, frames) + self.res_conv(x * frames.valid)


class SnakeBeta(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.proj = nn.Linear(a, b)
        self.alpha, self.beta = nn.Parameter(torch.zeros(b)), nn.Parameter(torch.zeros(b))

    def forward(self, x):
        u = self.proj(x)
        return u + torch.sin(u * self.alpha.exp()) ** 2 / (self.beta.exp() + 1e-9)


class FlowAttention(nn.Module):
    def __init__(self, c, heads, width):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(c, heads * width, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(heads * width, c)])

    def forward(self, x, frames):
        b, t, _ = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=frames.bias.to(q.dtype))
        return self.to_out[0](y.transpose(1, 2).reshape(b, t, -1))


class FlowFeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.net = nn.ModuleList([SnakeBeta(c, 4 * c), nn.Dropout(0.0), nn.Linear(4 * c, c)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class Transformer(nn.Module):
    def __init__(self, c, heads, width):
        super().__init__()
        self.norm1, self.norm3 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.attn1, self.ff = FlowAttention(c, heads, width), FlowFeedForward(c)

    def forward(self, x, frames):
        x = x.transpose(1, 2)
        x = x + F.dropout(self.attn1(self.norm1(x), frames), 0.05, self.training)
        return (x + self.ff(self.norm3(x))).transpose(1, 2)


class Halve(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv1d(c, c, 3, 2, 1)

    def forward(self, x):
        return self.conv(x)


class Double(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.ConvTranspose1d(c, c, 4, 2, 1)

    def forward(self, x):
        return self.conv(x)


class TimeMlp(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(a, b), nn.Linear(b, b)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class Estimator(nn.Module):
    """The velocity of the flow: a U-Net over frames with one halving."""

    def __init__(self, n_mels, c, heads, width, n_mid=2):
        super().__init__()
        self.n_in, time = 2 * n_mels, 4 * c
        self.time_mlp = TimeMlp(self.n_in, time)
        stage = lambda a, last=None: nn.ModuleList(
            [Residual(a, c, time), nn.ModuleList([Transformer(c, heads, width)])] + ([last] if last else []))
        self.down_blocks = nn.ModuleList([stage(self.n_in, Halve(c)), stage(c, conv(c, c, 3))])
        self.mid_blocks = nn.ModuleList(stage(c) for _ in range(n_mid))
        self.up_blocks = nn.ModuleList([stage(2 * c, Double(c)), stage(2 * c, conv(c, c, 3))])
        self.final_block = Normed(c, c)
        self.final_proj = conv(c, n_mels, 1)

    def time(self, t):
        half = self.n_in // 2
        e = torch.exp(torch.arange(half, device=t.device).float() * (-math.log(10000) / (half - 1)))
        e = 1000 * t[:, None] * e[None]
        return self.time_mlp(torch.cat([e.sin(), e.cos()], 1))

    def forward(self, x, mu, frames, t):
        """x, mu (B, 80, T) with T a multiple of 4, t (B,) -> velocity (B, 80, T)"""
        time, half = self.time(t), frames.halved()
        run = lambda block, x, f: block[1][0](block[0](x, f, time), f)
        first = run(self.down_blocks[0], torch.cat([x, mu], 1), frames)
        second = run(self.down_blocks[1], self.down_blocks[0][2](first * frames.valid), half)
        x = self.down_blocks[1][2](second * half.valid)
        for block in self.mid_blocks:
            x = run(block, x, half)
        x = self.up_blocks[0][2](run(self.up_blocks[0], torch.cat([x, second], 1), half) * half.valid)
        x = self.up_blocks[1][2](run(self.up_blocks[1], torch.cat([x, first], 1), frames) * frames.valid)
        return self.final_proj(self.final_block(x, frames) * frames.valid) * frames.valid


class FlowDecoder(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.estimator = Estimator(*sizes)


class Matcha(nn.Module):
    def __init__(self, n_symbols=79, c=192, hidden=320, layers=4, heads=2, durations=160, n_mels=80, decoder=136, decoder_heads=2,
                 decoder_width=64, n_mid=2):
        super().__init__()
        self.encoder = TextEncoder(n_symbols, c, hidden, layers, heads, durations, n_mels)
        self.decoder = FlowDecoder(n_mels, decoder, decoder_heads, decoder_width, n_mid)
        self.register_buffer("mel_mean", torch.zeros(()))
        self.register_buffer("mel_std", torch.ones(()))

    @classmethod
    def from_state(cls, state, heads=2, decoder_heads=2):
        """The module whose sizes the tensors' shapes tell."""
        size = lambda key, dim=0: state[key].shape[dim]
        count = lambda prefix: 1 + max(int(k[len(prefix):].split(".")[0]) for k in state if k.startswith(prefix))
        m = cls(*state["encoder.emb.weight"].shape, size("encoder.encoder.ffn_layers.0.conv_1.weight"), count("encoder.encoder.attn_layers."),
                heads, size("encoder.proj_w.conv_1.weight"), size("encoder.proj_m.weight"), size("decoder.estimator.final_proj.weight", 1),
                decoder_heads, size("decoder.estimator.down_blocks.0.1.0.attn1.to_q.weight") // decoder_heads,
                count("decoder.estimator.mid_blocks."))
        m.load_state_dict({k: v.float() for k, v in state.items()})
        return m.eval()

    def forward(self, x, lengths, durations, mel, pitch=None, pitch_head=None):
        """Losses of the flow, the encoder's mean mels and the log durations; mel (B, T, 80) in ln, T a multiple of 4.

        pitch (B, N), 0 where unvoiced, and a linear map that has to read it from the encoder's states add a loss.
        """
        h, mu, log_d, mask = self.encoder(x, lengths)
        n_frames, target = durations.sum(1), ((mel - self.mel_mean) / self.mel_std).transpose(1, 2)
        frames = Frames.of(n_frames, mel.shape[1])
        mu = expand(mu.float().transpose(1, 2), durations, mel.shape[1]).transpose(1, 2) * frames.valid
        n = frames.valid.sum() * target.shape[1]
        prior = (0.5 * ((target - mu) ** 2 + math.log(2 * math.pi)) * frames.valid).sum() / n
        # durations are rounded up when spoken, so half a frame less is aimed at
        wanted = torch.log((durations.float() - 0.5).clamp_min(0.1))
        duration = (((log_d[:, 0].float() - wanted) ** 2) * mask[:, 0]).sum() / mask.sum()
        t, noise = torch.rand(len(x), device=x.device), torch.randn_like(target)
        at = t[:, None, None]
        velocity = self.decoder.estimator((1 - (1 - SIGMA_MIN) * at) * noise + at * target, mu, frames, t)
        flow = (((velocity.float() - (target - (1 - SIGMA_MIN) * noise)) ** 2) * frames.valid).sum() / n
        losses = dict(flow=flow, prior=prior, duration=duration)
        if pitch_head is not None:
            voiced = (pitch != 0).float()
            error = pitch_head(h.transpose(1, 2))[..., 0].float() - pitch
            losses["pitch"] = (error ** 2 * voiced).sum() / voiced.sum().clamp_min(1)
        return losses

    def flow(self, mu, frames, x, steps, start=0.0):
        """Euler steps from time `start` to 1."""
        times = torch.linspace(start, 1, steps + 1, device=x.device)
        for a, b in zip(times[:-1], times[1:]):
            x = x + (b - a) * self.decoder.estimator(x, mu, frames, a.expand(len(x))).float()
        return x

    @torch.no_grad()
    def infer(self, ids, steps=4, temperature=0.667, length_scale=1.0, durations=None, noise=None):
        """One utterance -> (ln mel (T, 80), durations (N,)); `durations`: a stochastic predictor instead of proj_w."""
        device = self.mel_mean.device
        x = torch.as_tensor(ids, device=device).long()[None]
        h, mu, log_d, mask = self.encoder(x, torch.tensor([x.shape[1]], device=device))
        if durations is not None:
            log_d = durations.sample(h, mask)
        spans = torch.ceil(torch.exp(log_d[0, 0])) * length_scale
        end, n_frames = torch.cumsum(spans, 0), max(1, int(spans.sum()))
        padded = -(-n_frames // 4) * 4
        t = torch.arange(padded, device=device)
        path = (t[None] < end[:, None]).float()
        path = path - F.pad(path, (0, 0, 1, 0))[:-1]
        frames = Frames.of(torch.tensor([n_frames], device=device), padded)
        mu_y = (mu[0] @ path)[None] * frames.valid
        noise = torch.randn(1, mu.shape[1], padded, device=device) if noise is None else noise
        mel = self.flow(mu_y, frames, noise * temperature, steps)[0, :, :n_frames].T
        return mel * self.mel_std + self.mel_mean, spans
