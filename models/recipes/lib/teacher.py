"""The teacher: a Piper "medium" VITS voice, inference only, in plain torch.

The weights come from the ONNX file. With both noise scales at 0 the output equals onnxruntime's (largest
difference 2e-5).
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

HIDDEN, HEADS, LAYERS, WINDOW = 192, 2, 6, 4
DECODER_UPS = ((8, 16), (8, 16), (4, 8))
DECODER_BLOCKS = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))


def sequence_mask(lengths, n):
    return (torch.arange(n, device=lengths.device)[None] < lengths[:, None])[:, None].float()


def channel_norm(x, gamma, beta):
    return F.layer_norm(x.transpose(1, 2), (x.shape[1],), gamma, beta, 1e-5).transpose(1, 2)


def relative_to_absolute(x):
    b, h, t, _ = x.shape
    x = F.pad(F.pad(x, (0, 1)).reshape(b, h, t * 2 * t), (0, t - 1))
    return x.reshape(b, h, t + 1, 2 * t - 1)[:, :, :t, t - 1:]


def absolute_to_relative(x):
    b, h, t, _ = x.shape
    x = F.pad(F.pad(x, (0, t - 1)).reshape(b, h, t * t + t * (t - 1)), (t, 0))
    return x.reshape(b, h, t, 2 * t)[:, :, :, 1:]


def inverse_spline(y, widths, heights, slopes, tail=5.0, least=1e-3):
    """Inverse of the monotonic rational-quadratic spline with linear tails."""
    yc, bins = y.clamp(-tail, tail), widths.shape[-1]
    slopes = least + F.softplus(F.pad(slopes, (1, 1), value=math.log(math.exp(1 - least) - 1)))

    def knots(u):
        u = least + (1 - least * bins) * u.softmax(-1)
        edge = 2 * tail * F.pad(u.cumsum(-1), (1, 0)) - tail
        edge = torch.cat([torch.full_like(edge[..., :1], -tail), edge[..., 1:-1], torch.full_like(edge[..., :1], tail)], -1)
        return edge, edge[..., 1:] - edge[..., :-1]

    (cw, w), (ch, h) = knots(widths), knots(heights)
    bounds = ch.clone()
    bounds[..., -1] += 1e-6
    k = ((yc[..., None] >= bounds).sum(-1) - 1).clamp(0, bins - 1)[..., None]
    at = lambda t: t.gather(-1, k)[..., 0]
    x0, dx, y0, dy, d0, d1 = at(cw), at(w), at(ch), at(h), at(slopes), at(slopes[..., 1:])
    delta = at(h / w)
    t = (yc - y0) * (d0 + d1 - 2 * delta)
    a, b, c = t + dy * (delta - d0), dy * d0 - t, -delta * (yc - y0)
    root = 2 * c / (-b - (b * b - 4 * a * c).clamp_min(0).sqrt())
    return torch.where((y >= -tail) & (y <= tail), root * dx + x0, y)


class Vits(nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.index = {name: f"t{i}" for i, name in enumerate(tensors)}
        for name, value in tensors.items():
            self.register_buffer(self.index[name], value.float().contiguous())

    def w(self, name):
        return getattr(self, self.index[name])

    def conv(self, x, name, **kw):
        return F.conv1d(x, self.w(name + ".weight"), self.w(name + ".bias"), **kw)

    def norm(self, x, name):
        return channel_norm(x, self.w(name + ".gamma"), self.w(name + ".beta"))

    # ---- text encoder

    def relative(self, name, t):
        e, pad = self.w(name), max(t - (WINDOW + 1), 0)
        e, start = F.pad(e, (0, 0, pad, pad)), max((WINDOW + 1) - t, 0)
        return e[:, start:start + 2 * t - 1].unsqueeze(0)

    def attention(self, x, mask, name):
        b, c, t = x.shape
        d = c // HEADS
        q, k, v = (self.conv(x, f"{name}.conv_{p}").view(b, HEADS, d, t).transpose(2, 3) for p in "qkv")
        q = q / math.sqrt(d)
        score = q @ k.transpose(-1, -2) + relative_to_absolute(q @ self.relative(f"{name}.emb_rel_k", t).transpose(-1, -2))
        a = score.masked_fill(mask.unsqueeze(2) * mask.unsqueeze(-1) == 0, -1e4).softmax(-1)
        y = a @ v + absolute_to_relative(a) @ self.relative(f"{name}.emb_rel_v", t)
        return self.conv(y.transpose(2, 3).reshape(b, c, t), f"{name}.conv_o")

    def encode(self, ids, mask):
        """-> hidden states, mean and log standard deviation of the prior, per token"""
        x = (F.embedding(ids, self.w("emb")) * math.sqrt(HIDDEN)).transpose(1, 2) * mask
        e = "enc_p.encoder"
        for i in range(LAYERS):
            x = self.norm(x + self.attention(x, mask, f"{e}.attn_layers.{i}"), f"{e}.norm_layers_1.{i}")
            y = self.conv(x * mask, f"{e}.ffn_layers.{i}.conv_1", padding=1).relu()
            y = self.conv(y * mask, f"{e}.ffn_layers.{i}.conv_2", padding=1) * mask
            x = self.norm(x + y, f"{e}.norm_layers_2.{i}")
        x = x * mask
        prior = self.conv(x, "enc_p.proj") * mask
        return x, prior[:, :HIDDEN], prior[:, HIDDEN:]

    # ---- stochastic duration predictor, reversed

    def separable(self, x, mask, name, condition=None):
        if condition is not None:
            x = x + condition
        for i in range(3):
            y = self.conv(x * mask, f"{name}.convs_sep.{i}", padding=3 ** i, dilation=3 ** i, groups=x.shape[1])
            y = self.conv(F.gelu(self.norm(y, f"{name}.norms_1.{i}")), f"{name}.convs_1x1.{i}")
            x = x + F.gelu(self.norm(y, f"{name}.norms_2.{i}"))
        return x * mask

    def log_durations(self, x, mask, noise):
        x = self.separable(self.conv(x, "dp.pre"), mask, "dp.convs")
        x = self.conv(x, "dp.proj") * mask
        z = torch.randn(x.shape[0], 2, x.shape[2], device=x.device) * noise
        for flow in (7, 5, 3):
            z = z.flip(1)
            name = f"dp.flows.{flow}"
            z0, z1 = z[:, :1], z[:, 1:]
            h = self.separable(self.conv(z0, f"{name}.pre"), mask, f"{name}.convs", condition=x)
            h = self.conv(h, f"{name}.proj") * mask
            h = h.view(len(h), 1, 29, -1).transpose(2, 3)
            z1 = inverse_spline(z1, h[..., :10] / math.sqrt(HIDDEN), h[..., 10:20] / math.sqrt(HIDDEN), h[..., 20:])
            z = torch.cat([z0, z1], 1) * mask
        z = (z.flip(1) - self.w("dp.flows.0.m")[None]) * self.w("dp.flows.0.expneg")[None] * mask
        return z[:, :1]

    # ---- flow, reversed

    def wavenet(self, x, mask, name):
        out = torch.zeros_like(x)
        for i in range(4):
            y = self.conv(x, f"{name}.in_layers.{i}", padding=2)
            r = self.conv(y[:, :HIDDEN].tanh() * y[:, HIDDEN:].sigmoid(), f"{name}.res_skip_layers.{i}")
            if i < 3:
                x, r = (x + r[:, :HIDDEN]) * mask, r[:, HIDDEN:]
            out = out + r
        return out * mask

    def flow(self, z, mask):
        half = HIDDEN // 2
        for f in (6, 4, 2, 0):
            z = z.flip(1)
            name = f"flow.flows.{f}"
            x0, x1 = z[:, :half], z[:, half:]
            h = self.wavenet(self.conv(x0, f"{name}.pre") * mask, mask, f"{name}.enc")
            z = torch.cat([x0, (x1 - self.conv(h, f"{name}.post") * mask) * mask], 1)
        return z

    # ---- decoder: HiFi-GAN with the "V3" layout

    def dec(self, z):
        x = self.conv(z, "dec.conv_pre", padding=3)
        for i, (rate, kernel) in enumerate(DECODER_UPS):
            up = f"dec.ups.{i}"
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), self.w(up + ".weight"), self.w(up + ".bias"), stride=rate, padding=(kernel - rate) // 2)
            total = 0
            for j, (k, dilations) in enumerate(DECODER_BLOCKS):
                y = x
                for c, d in enumerate(dilations):
                    y = y + self.conv(F.leaky_relu(y, 0.1), f"dec.resblocks.{i * 3 + j}.convs.{c}", padding=d * (k - 1) // 2, dilation=d)
                total = total + y
            x = total / len(DECODER_BLOCKS)
        return torch.tanh(F.conv1d(F.leaky_relu(x), self.w("dec.conv_post.weight"), None, padding=3))[:, 0]

    # ---- the whole

    @torch.no_grad()
    def durations(self, ids, lengths, noise_w=0.8, length_scale=1.0):
        """-> frames of every token (B, T), mean and log standard deviation of the prior"""
        mask = sequence_mask(lengths, ids.shape[1])
        x, mean, log_std = self.encode(ids, mask)
        frames = torch.exp(self.log_durations(x, mask, noise_w)) * mask * length_scale
        return torch.ceil(frames)[:, 0].long(), mean, log_std

    @torch.no_grad()
    def latent(self, durations, mean, log_std, noise=0.667):
        """-> latent (B, 192, frames), number of frames"""
        lengths = durations.sum(1)
        t = torch.arange(int(lengths.max()), device=durations.device)[None].expand(len(durations), -1).contiguous()
        i = torch.searchsorted(durations.cumsum(1), t, right=True).clamp_max(durations.shape[1] - 1)
        mask, i = sequence_mask(lengths, t.shape[1]), i[:, None].expand(-1, HIDDEN, -1)
        mean, log_std = mean.gather(2, i), log_std.gather(2, i)
        return self.flow((mean + torch.randn_like(mean) * log_std.exp() * noise) * mask, mask) * mask, lengths

    @torch.no_grad()
    def forward(self, ids, lengths, noise=0.667, noise_w=0.8, length_scale=1.0):
        """-> wave (B, 256 frames), frames of every token, number of frames"""
        durations, mean, log_std = self.durations(ids, lengths, noise_w, length_scale)
        z, frames = self.latent(durations, mean, log_std, noise)
        return self.dec(z), durations, frames


def from_onnx(path):
    """Weights of a Piper voice by their VITS names."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    initial = {i.name: np.array(numpy_helper.to_array(i)) for i in graph.initializer}
    out = {k: torch.tensor(v) for k, v in initial.items() if k.startswith(("enc_p.", "dec.", "flow.", "dp."))}
    out["emb"] = torch.tensor(initial["sid"])
    for node in graph.node:  # convolutions with folded weight norm have anonymous weights; the node's name tells which
        if node.op_type == "Conv" and "/enc/" in node.name and node.name.startswith("/flow"):
            part = node.name.strip("/").split("/")
            out[f"flow.{part[1]}.enc.{part[3]}.weight"] = torch.tensor(initial[node.input[1]])
    out["dp.flows.0.expneg"] = torch.tensor(initial["/dp/flows.0/Exp_output_0"])
    return out
