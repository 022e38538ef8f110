"""Data on the GPU, fixed-shape buckets, CUDA graphs, EMA and step schedule shared by the trainers."""

import json
import math
import os
from pathlib import Path

import numpy as np
import torch

DEVICE = os.environ.get("DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
CUDA = DEVICE.startswith("cuda")
if CUDA:
    torch.backends.cuda.enable_cudnn_sdp(False)  # not usable under CUDA graphs with these masks
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.allow_tf32 = True

VALIDATION = 200  # the last sentences of the corpus


class Corpus:
    """The generated corpus (see generate_corpus.py), whole, on the device."""

    def __init__(self, folder, wave=False, validation=VALIDATION):
        self.folder = Path(folder)
        load = lambda name: torch.from_numpy(np.load(self.folder / f"{name}.npy")).to(DEVICE)
        self.symbols, self.symbol_offsets, self.durations, self.frame_offsets = map(
            load, ("symbols", "symbol_offsets", "durations", "frame_offsets"))
        self.pitch, self.energy, self.mel = load("pitch"), load("energy"), load("mel")
        self.wave = load("wave") if wave else None
        self.n_symbols = self.symbol_offsets.diff()
        self.n_frames = self.frame_offsets.diff()
        self.n = len(self.n_symbols)
        self.n_symbols_cpu, self.n_frames_cpu = self.n_symbols.cpu(), self.n_frames.cpu()
        self.stats = json.loads((self.folder / "stats.json").read_text())
        n_val = min(validation, self.n // 10)
        self.train, self.val = torch.arange(self.n - n_val), torch.arange(self.n - n_val, self.n)

    def batches(self, budget, indices):
        """Sort by length and cut into batches of at most `budget` padded frames."""
        indices = indices[self.n_frames_cpu[indices].argsort()]
        out, start = [], 0
        lengths = self.n_frames_cpu[indices].tolist()
        while start < len(indices):
            end = start + 1
            while end < len(indices) and lengths[end] * (end - start + 1) <= budget:
                end += 1
            out.append(indices[start:end])
            start = end
        return out

    def sentence(self, index):
        """The symbols of one sentence."""
        return self.symbols[self.symbol_offsets[index]:self.symbol_offsets[index + 1]].long()

    def get(self, indices, n=None, t=None):
        """-> symbols, their count, durations, pitch, energy, mel (raw ln), padded to n symbols and t frames."""
        n = n or int(self.n_symbols_cpu[indices].max())
        t = t or int(self.n_frames_cpu[indices].max())
        i = indices.to(DEVICE, non_blocking=True)
        count = self.n_symbols[i]
        a = torch.arange(n, device=DEVICE)[None]
        inside = a < count[:, None]
        p = (self.symbol_offsets[i][:, None] + a).clamp_max(len(self.symbols) - 1)
        pick = lambda values: torch.where(inside, values[p], torch.zeros((), dtype=values.dtype, device=DEVICE))
        q = self.frame_offsets[i][:, None] + torch.arange(t, device=DEVICE)[None]
        mel = self.mel[q.clamp_max(len(self.mel) - 1)].float()
        return [pick(self.symbols).long(), count, pick(self.durations).long(), pick(self.pitch), pick(self.energy), mel]


class Buckets:
    """Batches of a few fixed shapes only, so that cuDNN plans and CUDA graphs are made a few times only."""

    def __init__(self, corpus, budget, n_buckets=10, max_batch=384, generator=None):
        self.corpus, self.generator, self.buckets = corpus, generator, []
        frames, symbols = corpus.n_frames_cpu[corpus.train], corpus.n_symbols_cpu[corpus.train]
        order = frames.argsort()
        share = frames[order].cumsum(0).double() / frames.sum()
        start = 0
        for k in range(n_buckets):
            end = int(torch.searchsorted(share, (k + 1) / n_buckets)) + 1 if k < n_buckets - 1 else len(order)
            ids = corpus.train[order[start:end]]
            start = end
            if len(ids):
                up = lambda v, m: -(-int(v.max()) // m) * m
                t, n = up(corpus.n_frames_cpu[ids], 16), up(corpus.n_symbols_cpu[ids], 8)
                self.buckets.append((ids, max(1, min(max_batch, budget // t, len(ids))), n, t))

    def epoch(self):
        todo = []
        for k, (ids, batch, n, t) in enumerate(self.buckets):
            p = ids[torch.randperm(len(ids), generator=self.generator)]
            todo += [(k, p[i * batch:(i + 1) * batch], n, t) for i in range(len(ids) // batch)]
        for j in torch.randperm(len(todo), generator=self.generator).tolist():
            yield todo[j]


class Graphed:
    """Captures fn(*tensors), a whole training step, as one CUDA graph per key."""

    def __init__(self, fn):
        self.fn, self.on, self.graphs, self.pool = fn, CUDA, {}, None

    def __call__(self, key, tensors):
        if not self.on:
            return self.fn(*tensors)
        if key not in self.graphs:
            static = [t.clone() for t in tensors]
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(2):
                    out = self.fn(*static)
            torch.cuda.current_stream().wait_stream(side)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.pool):
                out = self.fn(*static)
            self.pool = self.pool or graph.pool()
            self.graphs[key] = (graph, static, out)
        graph, static, out = self.graphs[key]
        torch._foreach_copy_(static, list(tensors))
        graph.replay()
        return out


class EMA:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module, decay=0.999):
        self.decay, self.steps = decay, 0
        self.keys = [k for k, _ in module.named_parameters()]
        self.live = [p.detach() for _, p in module.named_parameters()]
        self.mean = [p.clone() for p in self.live]

    @torch.no_grad()
    def update(self):
        self.steps += 1
        torch._foreach_lerp_(self.mean, self.live, 1 - min(self.decay, (1 + self.steps) / (10 + self.steps)))

    def state(self):
        return {k: v.clone() for k, v in zip(self.keys, self.mean)}


def state_of(module, ema):
    """The module's whole state with the parameters' moving averages in place of the parameters."""
    return {**{k: v.clone() for k, v in module.state_dict().items()}, **ema.state()}


def half(state):
    """Tensors as they are shipped: floats in 16 bits."""
    return {k: (v.detach().half() if v.is_floating_point() else v).cpu().contiguous() for k, v in state.items()}


def cosine(step, total, warm, floor):
    """Learning-rate factor: linear warm-up over `warm` steps, then half a cosine down to `floor`."""
    if step < warm:
        return (step + 1) / warm
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))


def set_lr(optimizer, value):
    for group in optimizer.param_groups:
        v = value * group.get("lr_scale", 1.0)
        if torch.is_tensor(group["lr"]):
            group["lr"].fill_(v)
        else:
            group["lr"] = v


def log(**values):
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}), flush=True)
