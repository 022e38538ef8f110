"""WaveNet with a mixture of logistics, in r9y9's layout (`wavenet_vocoder` at a35fff7): training, loss, sampling.

Everything is laid out (batch, time, channels), so that a layer is two matrix products: one of both remembered
inputs, the present one and the mel with all gates, one of what passes the gates with what goes on and what goes out.
"""

import json
import math
from pathlib import Path

import numpy as np
import scipy.signal
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

HALF = math.sqrt(0.5)
HALF_BIN = 1 / 65535  # half of a 16-bit step in [-1, 1]
EDGE = 1e-5  # uniform draws keep this far from 0 and 1


def join(x, c, d: int):
    """Inputs of a dilated convolution of three taps, the oldest first, beside the mel's column."""
    past = F.pad(x, (0, 0, 2 * d, 0))
    return torch.cat([past[:, :-2 * d], past[:, d:-d], x, c], -1)


def gate(a):
    inner, sigma = a.chunk(2, -1)
    return torch.tanh(inner) * torch.sigmoid(sigma)


def onward(x, skipped, out):
    width = x.shape[-1]
    return (x + out[..., :width]) * HALF, skipped + out[..., width:].float()


def negative_log_likelihood(params, y, weight, least=-11.0):
    """Of y (B, T) as 16-bit values under the mixtures params (B, T, 3 n), averaged by weight (B, T); in nats a sample."""
    logits, mean, log_scale = params.float().chunk(3, -1)
    inverse = torch.exp(-log_scale.clamp_min(least))
    middle = y[..., None] - mean
    # log(sigmoid(a) - sigmoid(b)) without a difference of nearly equal numbers
    inside = (F.logsigmoid(inverse * (middle + HALF_BIN)) + F.logsigmoid(-inverse * (middle - HALF_BIN))
              + torch.log(-torch.expm1(-2 * HALF_BIN * inverse)))
    likelihood = torch.logsumexp(torch.log_softmax(logits, -1) + inside, -1)
    return -(likelihood * weight).sum() / weight.sum()


class WaveNet(nn.Module):
    def __init__(self, layers=24, stacks=4, width=40, gates=80, skip=48, mixtures=10, mels=80, kernel=5, scales=(4, 4, 4, 4)):
        super().__init__()
        self.stacks, self.width, self.reach = stacks, width, kernel // 2
        self.dilations = [2 ** (i % (layers // stacks)) for i in range(layers)]
        inner, n_in = gates // 2, 3 * width + mels
        normal = lambda *shape, std: nn.Parameter(std * torch.randn(shape))
        zeros = lambda *shape: nn.Parameter(torch.zeros(shape))
        self.first_weight, self.first_bias = normal(width, std=8.0), zeros(width)  # samples are small numbers
        self.in_weight, self.in_bias = normal(layers, gates, n_in, std=n_in ** -0.5), zeros(layers, gates)
        self.out_weight, self.out_bias = normal(layers, width + skip, inner, std=inner ** -0.5), zeros(layers, width + skip)
        self.last_weight, self.last_bias = normal(skip, skip, std=(2 / skip) ** 0.5), zeros(skip)
        self.params_weight = normal(3 * mixtures, skip, std=0.1 * skip ** -0.5)
        self.params_bias = nn.Parameter(torch.cat([torch.zeros(mixtures), torch.linspace(-0.05, 0.05, mixtures), torch.full((mixtures,), -5.0)]))
        self.conv_in = nn.Parameter(torch.zeros(mels, mels, kernel))
        with torch.no_grad():
            self.conv_in[:, :, self.reach] = torch.eye(mels)
            self.conv_in += 0.02 * torch.randn_like(self.conv_in)
        self.filters = nn.ParameterList(torch.full((2 * s + 1,), 1 / (2 * s + 1)) for s in scales)
        for i, scale in enumerate(scales):
            # (place within a frame, frame before, here or after, tap): which frame each tap meets
            place, k = torch.arange(scale)[:, None, None], torch.arange(2 * scale + 1)
            meets = torch.div(place + k - scale, scale, rounding_mode="floor") + 1 == torch.arange(3)[:, None]
            self.register_buffer(f"meets_{i}", meets.float(), persistent=False)
        self.functions = join, gate, onward, negative_log_likelihood

    def compile(self):
        torch._dynamo.config.recompile_limit = 32  # each dilation may want its own
        self.functions = tuple(torch.compile(f) for f in (join, gate, onward, negative_log_likelihood))

    def upsample(self, mel, inside=None):
        """Normalised mel (B, F + 2 reach, M) -> (B, F hop, M); inside (B, F) says which frames are of the sentence."""
        x = F.conv1d(mel.transpose(1, 2), self.conv_in).transpose(1, 2)
        if inside is not None:
            x = x * inside[..., None]
        for i, taps in enumerate(self.filters):
            polyphase = getattr(self, f"meets_{i}") @ taps
            around = F.pad(x, (0, 0, 1, 1)).unfold(1, 3, 1)  # (B, F, M, 3)
            x = torch.einsum("bfmj,pj->bfpm", around, polyphase).flatten(1, 2)
        return x

    def forward(self, before, c, dtype=torch.float32):
        """before (B, T): the sample before each; c (B, T, M) -> parameters of mixtures (B, T, 3 n)."""
        join, gate, onward, _ = self.functions
        weights = [w.to(dtype).unbind(0) for w in (self.in_weight, self.in_bias, self.out_weight, self.out_bias)]
        x, c = (before[..., None] * self.first_weight + self.first_bias).to(dtype), c.to(dtype)
        skipped = torch.zeros((), device=x.device)
        for d, w, b, v, e in zip(self.dilations, *weights):
            x, skipped = onward(x, skipped, F.linear(gate(F.linear(join(x, c, d), w, b)), v, e))
        h = F.relu(skipped * len(self.dilations) ** -0.5)
        h = F.relu(F.linear(h, self.last_weight, self.last_bias))
        return F.linear(h, self.params_weight, self.params_bias)

    def loss(self, wave, mel, inside, weight, crop, dtype):
        """wave (B, T + 1) begins one sample early; mel with reach frames and crop samples more on each side."""
        c = self.upsample(mel, inside)
        return self.functions[-1](self(wave[:, :-1], c[:, crop:c.shape[1] - crop], dtype), wave[:, 1:], weight)


class Sampler:
    """Speaks one sample after the other for a batch of sentences; with CUDA, some steps as one graph.

    What the layers hear of their past is known before a step begins: one product for all layers.
    """

    def __init__(self, model, temperatures, unroll=16):
        """temperatures (B): factors on the scales, one for each sentence."""
        self.model, self.unroll, self.graph = model, unroll, None
        device, n_layers, batch = model.in_weight.device, len(model.dilations), len(temperatures)
        self.log_temperature = temperatures.log()[:, None]
        self.dilations = torch.tensor(model.dilations, device=device)
        self.n_kept = 2 * max(model.dilations) + 1
        self.rings = torch.zeros(n_layers, self.n_kept, batch, model.width, device=device)
        self.layers = torch.arange(n_layers, device=device)
        self.at = torch.zeros((), dtype=torch.long, device=device)
        self.sample = torch.zeros(batch, device=device)
        mels = model.in_weight.shape[2] - 3 * model.width
        self.c = torch.zeros(unroll, batch, mels, device=device)
        self.out = torch.zeros(unroll, batch, device=device)
        w, width = model.in_weight, model.width
        self.past_weight = torch.cat([w[:, :, :2 * width], w[:, :, 3 * width:]], -1).transpose(1, 2).contiguous()
        self.now_weight = w[:, :, 2 * width:3 * width].transpose(1, 2).contiguous()
        self.on_weight = model.out_weight[:, :width].transpose(1, 2).contiguous()
        self.on_bias = model.out_bias[:, :width]
        self.skip_weight = model.out_weight[:, width:].permute(0, 2, 1).flatten(0, 1).contiguous()
        self.skip_bias = model.out_bias[:, width:].sum(0)

    def params(self, sample, c):
        m = self.model
        old = self.rings[self.layers, (self.at - 2 * self.dilations) % self.n_kept]
        late = self.rings[self.layers, (self.at - self.dilations) % self.n_kept]
        heard = torch.cat([old, late, c[None].expand(len(self.layers), -1, -1)], -1)
        known = torch.baddbmm(m.in_bias[:, None], heard, self.past_weight)
        x = sample[:, None] * m.first_weight + m.first_bias
        inputs, passed = [], []
        for k, now, v, e in zip(known, self.now_weight, self.on_weight, self.on_bias):
            inputs.append(x)
            z = gate(torch.addmm(k, x, now))
            passed.append(z)
            x = (x + torch.addmm(e, z, v)) * HALF
        self.rings.index_copy_(1, (self.at % self.n_kept)[None], torch.stack(inputs)[:, None])
        h = torch.addmm(self.skip_bias, torch.cat(passed, -1), self.skip_weight)
        h = F.relu(h * len(self.layers) ** -0.5)
        return F.linear(F.relu(F.linear(h, m.last_weight, m.last_bias)), m.params_weight, m.params_bias)

    def step(self, i):
        logits, mean, log_scale = self.params(self.sample, self.c[i]).chunk(3, -1)
        u = torch.rand_like(logits).clamp(EDGE, 1 - EDGE)
        chosen = (logits - torch.log(-torch.log(u))).argmax(-1, keepdim=True)
        v = torch.rand_like(self.sample).clamp(EDGE, 1 - EDGE)
        scale = (log_scale + self.log_temperature).gather(-1, chosen)[:, 0].exp()
        sample = (mean.gather(-1, chosen)[:, 0] + scale * torch.logit(v)).clamp(-1, 1)
        self.sample.copy_(sample)
        self.out[i] = sample
        self.at += 1

    @torch.no_grad()
    def run(self, c, until=lambda: True):
        """c (T, B, M) -> samples (T, B), or fewer if `until` says no."""
        out = []
        for start in range(0, len(c) - len(c) % self.unroll, self.unroll):
            self.c.copy_(c[start:start + self.unroll])
            if not c.is_cuda:
                for i in range(self.unroll):
                    self.step(i)
            elif self.graph is None:
                for i in range(self.unroll):
                    self.step(i)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    for i in range(self.unroll):
                        self.step(i)
                self.graph = graph  # what is captured is not run yet
            else:
                self.graph.replay()
            out.append(self.out.clone())
            if start % 4096 == 0 and not until():
                break
        return torch.cat(out)


def emphasised(wave, share, gain):
    """wave (B, 1 + T) -> (B, T): each sample less a share of the one before, louder."""
    return (wave[:, 1:] - share * wave[:, :-1]) * gain


class Vocoder:
    """FILE.safetensors of train_wavenet.py, with what FILE.json says of mels and waves: mels in, waves out."""

    def __init__(self, path, device):
        self.model = load_public(load_file(str(path))).to(device)
        self.settings = json.loads(Path(path).with_suffix(".json").read_text())

    @torch.no_grad()
    def __call__(self, mels, temperatures=None, until=lambda: True):
        """Ln mels (F, 80) of all sentences at once -> waves; temperatures: factors on the scales of the mixtures."""
        device, reach = self.model.in_weight.device, self.model.reach
        mean, std = (torch.tensor(self.settings[k], device=device) for k in ("mel_mean", "mel_std"))
        hop = math.prod(len(taps) // 2 for taps in self.model.filters)
        n = max(map(len, mels)) * hop
        c = torch.zeros(n, len(mels), len(mean), device=device)
        for i, mel in enumerate(mels):
            at = torch.arange(-reach, len(mel) + reach, device=device).clamp(0, len(mel) - 1)
            c[:len(mel) * hop, i] = self.model.upsample(((mel.to(device) - mean) / std)[at][None])[0]
        if temperatures is None:
            temperatures = torch.ones(len(mels))
        said = Sampler(self.model, temperatures.to(device)).run(c, until).T.cpu().numpy()
        waves = (y[:len(mel) * hop] for y, mel in zip(said, mels))
        undo = lambda y: scipy.signal.lfilter([1], [1, -self.settings["preemphasis"]], y) / self.settings["gain"]
        return [torch.from_numpy(undo(y).clip(-1, 1).astype(np.float32)) for y in waves]


def public_state(state):
    """Own names -> r9y9's, weights apart into length and direction."""
    out, layers = {}, len(state["in_weight"])
    width = len(state["first_weight"])

    def add(name, weight, bias=None):
        v = weight.half().float()  # as it will be read
        out[f"{name}.weight_g"] = v.flatten(1).norm(dim=1).view(-1, *[1] * (v.dim() - 1))
        out[f"{name}.weight_v"] = v
        if bias is not None:
            out[f"{name}.bias"] = bias

    add("first_conv", state["first_weight"][:, None, None], state["first_bias"])
    for i in range(layers):
        name, w, v, e = f"conv_layers.{i}", state["in_weight"][i], state["out_weight"][i], state["out_bias"][i]
        add(f"{name}.conv", torch.stack(w[:, :3 * width].split(width, 1), -1), state["in_bias"][i])
        add(f"{name}.conv1x1c", w[:, 3 * width:, None])
        add(f"{name}.conv1x1_out", v[:width, :, None], e[:width])
        add(f"{name}.conv1x1_skip", v[width:, :, None], e[width:])
    add("last_conv_layers.1", state["last_weight"][..., None], state["last_bias"])
    add("last_conv_layers.3", state["params_weight"][..., None], state["params_bias"])
    out["upsample_net.conv_in.weight"] = state["conv_in"]
    for i, taps in enumerate(v for k, v in sorted(state.items()) if k.startswith("filters.")):
        add(f"upsample_net.upsample.up_layers.{2 * i + 1}", taps[None, None, None])
    return out


def load_public(state, stacks=4):
    """WaveNet from a dictionary with r9y9's names (any float type)."""
    plain = {}
    for key, value in state.items():
        if key.endswith("weight_v"):
            v, g = value.float(), state[key[:-1] + "g"].float()
            plain[key[:-2]] = g * v / v.flatten(1).norm(dim=1).view(g.shape)
        elif not key.endswith("weight_g"):
            plain[key] = value.float()
    layers = sum(k.endswith("conv1x1c.weight") for k in plain)
    all_of = lambda name: [plain[f"conv_layers.{i}.{name}"] for i in range(layers)]
    scales, i = [], 1
    while f"upsample_net.upsample.up_layers.{i}.weight" in plain:
        scales.append(plain[f"upsample_net.upsample.up_layers.{i}.weight"].shape[-1] // 2)
        i += 2
    own = dict(
        first_weight=plain["first_conv.weight"].flatten(), first_bias=plain["first_conv.bias"],
        in_weight=torch.stack([torch.cat([w.permute(0, 2, 1).flatten(1), c[..., 0]], 1) for w, c in zip(all_of("conv.weight"), all_of("conv1x1c.weight"))]),
        in_bias=torch.stack(all_of("conv.bias")),
        out_weight=torch.stack([torch.cat(pair)[..., 0] for pair in zip(all_of("conv1x1_out.weight"), all_of("conv1x1_skip.weight"))]),
        out_bias=torch.stack([torch.cat(pair) for pair in zip(all_of("conv1x1_out.bias"), all_of("conv1x1_skip.bias"))]),
        last_weight=plain["last_conv_layers.1.weight"][..., 0], last_bias=plain["last_conv_layers.1.bias"],
        params_weight=plain["last_conv_layers.3.weight"][..., 0], params_bias=plain["last_conv_layers.3.bias"],
        conv_in=plain["upsample_net.conv_in.weight"],
        **{f"filters.{k}": plain[f"upsample_net.upsample.up_layers.{2 * k + 1}.weight"].flatten() for k in range(len(scales))})
    model = WaveNet(layers, stacks, len(own["first_weight"]), own["in_bias"].shape[1], len(own["last_weight"]), len(own["params_bias"]) // 3,
                    own["conv_in"].shape[0], own["conv_in"].shape[2], scales)
    model.load_state_dict(own)
    return model.eval()
