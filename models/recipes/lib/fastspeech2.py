"""FastSpeech 2 with SpeechBrain's architecture and parameter names.

`FastSpeech2.state_dict()` has exactly the keys of SpeechBrain's `FastSpeech2` (without the two
`pe` buffers, which are recomputed). Convolutions use reflect padding as SpeechBrain's do; inside a
padded batch every item is reflected at its own end, so a batch gives each item the same output as
the item alone.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv(nn.Module):
    """Length-preserving convolution over (B, T, C) with reflect padding at each item's own ends."""

    def __init__(self, c_in, c_out, kernel):
        super().__init__()
        self.conv = nn.Conv1d(c_in, c_out, kernel)

    def forward(self, x, lengths, mask):
        n = (self.conv.kernel_size[0] - 1) // 2
        if n:
            x = F.pad(x * mask, (0, 0, n, n))
            j = torch.arange(1, n + 1, device=x.device)[None]
            last = lengths[:, None] - 1
            target = torch.cat([(n - j).expand(len(x), -1), n + last + j], 1)
            source = n + torch.cat([j.expand(len(x), -1), (last - j).clamp_min(0)], 1)
            wide = lambda i: i[..., None].expand(-1, -1, x.shape[2])
            x = x.scatter_add(1, wide(target), x.gather(1, wide(source)))
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class Norm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.norm = nn.LayerNorm(d, eps)

    def forward(self, x):
        return self.norm(x)


class Linear(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.w = nn.Linear(a, b)

    def forward(self, x):
        return self.w(x)


class InProjAttention(nn.Module):
    """torch.nn.MultiheadAttention's parameters, computed with scaled_dot_product_attention."""

    def __init__(self, d, heads, dropout):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d, d))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d))
        self.out_proj = nn.Linear(d, d)
        self.heads, self.dropout = heads, dropout
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x, mask):
        b, t, d = x.shape
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :, 0] > 0,
                                           dropout_p=self.dropout if self.training else 0.0)
        return self.out_proj(y.transpose(1, 2).reshape(b, t, d))


class SelfAttention(nn.Module):
    def __init__(self, d, heads, dropout):
        super().__init__()
        self.att = InProjAttention(d, heads, dropout)


class EncoderLayer(nn.Module):
    """Pre-norm transformer layer; the feed-forward part is conv k -> ReLU -> conv 1."""

    def __init__(self, d, heads, ff, kernel, dropout):
        super().__init__()
        self.self_att = SelfAttention(d, heads, dropout)
        self.pos_ffn = nn.ModuleList([Conv(d, ff, kernel), nn.ReLU(), Conv(ff, d, 1)])
        self.norm1, self.norm2 = Norm(d, 1e-6), Norm(d, 1e-6)
        self.dropout = dropout

    def forward(self, x, lengths, mask):
        drop = lambda t: F.dropout(t, self.dropout, self.training)
        x = x + drop(self.self_att.att(self.norm1(x), mask))
        h = F.relu(self.pos_ffn[0](self.norm2(x), lengths, mask))
        return x + drop(self.pos_ffn[2](h, lengths, mask))


class Encoder(nn.Module):
    def __init__(self, layers, *args):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(*args) for _ in range(layers))
        self.norm = Norm(args[0], 1e-6)

    def forward(self, x, lengths, mask):
        for layer in self.layers:
            x = layer(x, lengths, mask)
        return self.norm(x) * mask


class Predictor(nn.Module):
    """Duration, pitch and energy predictor: twice conv 3 -> ReLU -> LayerNorm, then one linear unit."""

    def __init__(self, d, dropout):
        super().__init__()
        self.conv1, self.conv2 = Conv(d, d, 3), Conv(d, d, 3)
        self.ln1, self.ln2 = Norm(d, 1e-5), Norm(d, 1e-5)
        self.linear = Linear(d, 1)
        self.dropout = dropout

    def forward(self, x, lengths, mask):
        drop = lambda t: F.dropout(t, self.dropout, self.training)
        x = drop(self.ln1(F.relu(self.conv1(x, lengths, mask))))
        x = drop(self.ln2(F.relu(self.conv2(x, lengths, mask))))
        return self.linear(x * mask)[..., 0]


class PostNet(nn.Module):
    def __init__(self, d, n_mels, dropout):
        super().__init__()
        self.conv_pre = Conv(n_mels, d, 5)
        self.convs_intermediate = nn.ModuleList(Conv(d, d, 5) for _ in range(3))
        self.conv_post = Conv(d, n_mels, 5)
        self.ln1, self.ln2, self.ln3 = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(n_mels)
        self.dropout = dropout

    def forward(self, x, lengths, mask):
        drop = lambda t: F.dropout(t, self.dropout, self.training)
        x = drop(torch.tanh(self.ln1(self.conv_pre(x, lengths, mask))))
        for conv in self.convs_intermediate:
            x = conv(x, lengths, mask)
        x = drop(torch.tanh(self.ln2(x)))
        return self.ln3(self.conv_post(x, lengths, mask))


class Embedding(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.Embedding = nn.Embedding(n, d)


class PreNet(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.token_embedding = Embedding(n, d)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.k = k
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.k, None


def positions(n, d, device):
    """Sinusoidal positions, sine in the even and cosine in the odd columns."""
    angle = torch.arange(n, device=device)[:, None].float() * torch.exp(
        torch.arange(0, d, 2, device=device).float() * (-math.log(10000.0) / d))
    return torch.stack([angle.sin(), angle.cos()], 2).view(n, d)


def length_mask(lengths, n):
    return (torch.arange(n, device=lengths.device)[None] < lengths[:, None])[..., None].float()


def expand(x, durations, n):
    """Repeat x (B, N, C) by durations (B, N) to (B, n, C)."""
    t = torch.arange(n, device=x.device)[None].expand(len(x), -1).contiguous()
    i = torch.searchsorted(durations.cumsum(1), t, right=True).clamp_max(x.shape[1] - 1)
    return x.gather(1, i[..., None].expand(-1, -1, x.shape[2]))


class FastSpeech2(nn.Module):
    def __init__(self, n_symbols=79, d=256, heads=2, ff=320, kernel=5, enc_layers=4, dec_layers=4, postnet=128,
                 n_mels=80, dropout=0.1, predictor_dropout=0.3, pitch_dropout=0.5, postnet_dropout=0.1,
                 pitch_gradient=0.3):
        super().__init__()
        self.d, self.pitch_gradient = d, pitch_gradient
        self.encPreNet = PreNet(n_symbols, d)
        self.durPred, self.energyPred = Predictor(d, predictor_dropout), Predictor(d, predictor_dropout)
        self.pitchPred = Predictor(d, pitch_dropout)
        self.pitchEmbed, self.energyEmbed = Conv(1, d, 3), Conv(1, d, 3)
        self.encoder = Encoder(enc_layers, d, heads, ff, kernel, dropout)
        self.decoder = Encoder(dec_layers, d, heads, ff, kernel, dropout)
        self.linear = Linear(d, n_mels)
        self.postnet = PostNet(postnet, n_mels, postnet_dropout)

    @classmethod
    def from_state(cls, state, heads=2):
        """Build the module whose sizes the tensors' shapes tell."""
        layers = lambda part: 1 + max(int(k.split(".")[2]) for k in state if k.startswith(part + ".layers."))
        n, d = state["encPreNet.token_embedding.Embedding.weight"].shape
        ffn = state["encoder.layers.0.pos_ffn.0.conv.weight"]
        m = cls(n, d, heads, ffn.shape[0], ffn.shape[2], layers("encoder"), layers("decoder"),
                state["postnet.conv_pre.conv.weight"].shape[0], state["linear.w.weight"].shape[0])
        m.load_state_dict({k: v.float() for k, v in state.items()})
        return m.eval()

    def encode(self, x, lengths):
        mask = length_mask(lengths, x.shape[1])
        h = self.encPreNet.token_embedding.Embedding(x) + positions(x.shape[1], self.d, x.device)
        return self.encoder(h * mask, lengths, mask), mask

    def decode(self, h, durations, n):
        lengths = durations.sum(1)
        mask = length_mask(lengths, n)
        y = self.decoder((expand(h, durations, n) + positions(n, self.d, h.device)) * mask, lengths, mask)
        with torch.autocast(y.device.type, enabled=False):  # ln mel values are large: no 16-bit rounding here
            pre = self.linear(y.float())
            return pre, pre + self.postnet(pre, lengths, mask), mask

    def forward(self, x, lengths, durations, pitch, energy, n):
        """Teacher-forced: per-symbol durations, pitch and energy are given; n = padded number of frames."""
        h, mask = self.encode(x, lengths)
        log_d = self.durPred(h, lengths, mask)
        pitch_p = self.pitchPred(_ScaleGradient.apply(h, self.pitch_gradient), lengths, mask)
        h = h + self.pitchEmbed(pitch[..., None], lengths, mask)
        energy_p = self.energyPred(h, lengths, mask)
        h = h + self.energyEmbed(energy[..., None], lengths, mask)
        pre, post, frame_mask = self.decode(h, durations, n)
        return dict(pre=pre, post=post, log_d=log_d, pitch=pitch_p, energy=energy_p, mask=mask[..., 0],
                    frame_mask=frame_mask)

    @torch.no_grad()
    def infer(self, ids, pace=1.0, pitch_rate=1.0, energy_rate=1.0):
        """One utterance (list or 1-D tensor of ids), by SpeechBrain's rules: durations are truncated."""
        x = torch.as_tensor(ids, device=self.linear.w.weight.device).long()[None]
        lengths = torch.tensor([x.shape[1]], device=x.device)
        h, mask = self.encode(x, lengths)
        log_d = self.durPred(h, lengths, mask)
        durations = (pace * torch.expm1(log_d).clamp_min(0)).long()
        pitch = self.pitchPred(h, lengths, mask) * pitch_rate
        h = h + self.pitchEmbed(pitch[..., None], lengths, mask)
        energy = self.energyPred(h, lengths, mask) * energy_rate
        h = h + self.energyEmbed(energy[..., None], lengths, mask)
        pre, post, _ = self.decode(h, durations, int(durations.sum()))
        return dict(log_durations=log_d[0], durations=durations[0], pitch=pitch[0], energy=energy[0],
                    mel_pre=pre[0], mel_post=post[0])
