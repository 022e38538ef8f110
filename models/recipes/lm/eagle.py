"""An EAGLE-3 head in the published layout: one Llama layer over [token embedding, feature], a small vocabulary.

`Head.forward` is inference with a cache, written for reading; `Head.unrolled` is training, where the head reads its own
features for several steps ("training-time test"). Linear weights are [out, in]; RoPE pairs value i with i + head_dim / 2.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


@dataclass
class Shape:
    hidden_size: int = 576
    intermediate_size: int = 1536
    num_attention_heads: int = 9
    num_key_value_heads: int = 3
    vocab_size: int = 49152
    draft_vocab_size: int = 8192
    rms_norm_eps: float = 1e-5
    rope_theta: float = 100000.0
    max_position_embeddings: int = 8192
    taps: list = field(default_factory=lambda: [2, 15, 27])

    @property
    def head_dim(self):
        return self.hidden_size // self.num_attention_heads

    def config(self):
        """`config.json`, with every field a loader may look for."""
        return {
            "architectures": ["LlamaForCausalLMEagle3"],
            "model_type": "llama",
            "hidden_size": self.hidden_size,
            "target_hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "hidden_act": "silu",
            "num_hidden_layers": 1,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab_size,
            "draft_vocab_size": self.draft_vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": None,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": False,
            "initializer_range": 0.02,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 2,
            "torch_dtype": "float16",
            "eagle_config": {
                "eagle_aux_hidden_state_layer_ids": self.taps,
                "use_aux_hidden_state": True,
            },
        }

    @classmethod
    def from_config(cls, config):
        names = [n for n in cls.__dataclass_fields__ if n != "taps"]
        taps = config["eagle_config"]["eagle_aux_hidden_state_layer_ids"]
        return cls(**{n: config[n] for n in names}, taps=taps)


def rms(x, weight, eps):
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


def rope_tables(positions, head_dim, theta):
    """cos and sin, [rows, head_dim], for positions [rows]."""
    inv = theta ** (-torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim)
    angle = positions.float()[:, None] * inv
    angle = torch.cat([angle, angle], -1)
    return angle.cos(), angle.sin()


def rope(x, cos, sin):
    """x [..., rows, head_dim], half-split convention."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)


class Weight(nn.Module):
    """A bias-free linear map or a norm's scale, under the key `<name>.weight`."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * shape[-1] ** -0.5)

    def forward(self, x):
        return F.linear(x, self.weight)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        wide, narrow = s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim
        self.q_proj, self.o_proj = Weight(wide, 2 * s.hidden_size), Weight(s.hidden_size, wide)
        self.k_proj, self.v_proj = Weight(narrow, 2 * s.hidden_size), Weight(narrow, 2 * s.hidden_size)


class Mlp(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj, self.up_proj = (Weight(s.intermediate_size, s.hidden_size) for _ in range(2))
        self.down_proj = Weight(s.hidden_size, s.intermediate_size)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm, self.hidden_norm = Weight(s.hidden_size), Weight(s.hidden_size)
        self.self_attn, self.mlp = Attention(s), Mlp(s)
        self.post_attention_layernorm = Weight(s.hidden_size)


class Head(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.fc = Weight(shape.hidden_size, len(shape.taps) * shape.hidden_size)
        self.midlayer = Layer(shape)
        self.norm = Weight(shape.hidden_size)
        self.lm_head = Weight(shape.draft_vocab_size, shape.hidden_size)
        # target id = draft id + d2t[draft id]
        self.register_buffer("d2t", torch.zeros(shape.draft_vocab_size, dtype=torch.int64))

    @classmethod
    def load(cls, folder):
        head = cls(Shape.from_config(json.loads((Path(folder) / "config.json").read_text())))
        head.load_state_dict({k: v if k == "d2t" else v.float() for k, v in load_file(Path(folder) / "model.safetensors").items() if k != "t2d"})
        return head

    def project(self, embedded, feature, cos, sin):
        """Queries, keys and values [..., heads, rows, head_dim] of rows (embedding, feature) [..., rows, hidden]."""
        s, m = self.shape, self.midlayer
        row = torch.cat([rms(embedded, m.input_layernorm.weight, s.rms_norm_eps),
                         rms(feature, m.hidden_norm.weight, s.rms_norm_eps)], -1)
        split = lambda x: x.unflatten(-1, (-1, s.head_dim)).transpose(-2, -3)
        q, k, v = (split(p(row)) for p in (m.self_attn.q_proj, m.self_attn.k_proj, m.self_attn.v_proj))
        return rope(q, cos, sin), rope(k, cos, sin), v

    def finish(self, feature, mixed):
        """h2 from the un-normed feature (the residual) and the attention's output [..., heads, rows, head_dim]."""
        m, eps = self.midlayer, self.shape.rms_norm_eps
        h1 = feature + m.self_attn.o_proj(mixed.transpose(-2, -3).flatten(-2))
        return h1 + m.mlp(rms(h1, m.post_attention_layernorm.weight, eps))

    def logits(self, h2):
        return self.lm_head(rms(h2, self.norm.weight, self.shape.rms_norm_eps))

    def forward(self, embedded, feature, positions, cache, mask=None):
        """Rows [n, hidden] (or features [n, 3 hidden] of the target) after those in `cache`, a list of (k, v).

        `mask` [n, rows of cache + n] is true where a row may look; without it, at everything before it.
        Returns logits [n, draft vocabulary] and h2 [n, hidden].
        """
        s = self.shape
        if feature.shape[-1] != s.hidden_size:
            feature = self.fc(feature)
        q, k, v = self.project(embedded, feature, *rope_tables(positions, s.head_dim, s.rope_theta))
        if cache:
            k, v = torch.cat([cache[-1][0], k], -2), torch.cat([cache[-1][1], v], -2)
        cache[:] = [(k, v)]
        if mask is None:
            n, all_rows = q.shape[-2], k.shape[-2]
            mask = torch.ones(n, all_rows, dtype=torch.bool).tril(all_rows - n)
        share = s.num_attention_heads // s.num_key_value_heads
        k, v = k.repeat_interleave(share, 0), v.repeat_interleave(share, 0)
        score = (q @ k.transpose(-1, -2)) * s.head_dim ** -0.5
        weight = score.masked_fill(~mask, float("-inf")).softmax(-1)
        h2 = self.finish(feature, weight @ v)
        return self.logits(h2), h2


def truncate(cache, rows):
    cache[:] = [(k[:, :rows], v[:, :rows]) for k, v in cache]


def draft_tree(head, embed, logits, h2, cache, position, width, depth, budget):
    """EAGLE-2's dynamic tree below the newest token: the `budget` nodes of highest joint probability.

    Starts from the last stable row's `logits` [draft vocabulary] and `h2` [hidden], whose token stands at `position`.
    Returns tokens (target ids), parents (index of the node, -1 for the root) and joint log probabilities; parents come
    before children. The cache is left as it was.
    """
    stable = cache[-1][0].shape[-2]
    ids = torch.arange(head.shape.draft_vocab_size) + head.d2t
    top = torch.log_softmax(logits.float(), -1).topk(width)
    nodes = [(ids[i].item(), -1, lp.item()) for lp, i in zip(*top)]
    frontier, feature = list(range(width)), h2.expand(width, -1)
    seen = torch.eye(width, dtype=torch.bool)
    for level in range(depth):
        tokens = torch.tensor([nodes[i][0] for i in frontier])
        mask = torch.cat([torch.ones(width, stable, dtype=torch.bool), seen], -1)
        logits, h2 = head(embed[tokens], feature, torch.full((width,), position + level), cache, mask)
        top = torch.log_softmax(logits.float(), -1).topk(width)
        found = []
        for row, node in enumerate(frontier):
            for lp, i in zip(top.values[row], top.indices[row]):
                found.append((nodes[node][2] + lp.item(), row, len(nodes)))
                nodes.append((ids[i].item(), node, nodes[node][2] + lp.item()))
        best = sorted(found, key=lambda c: -c[0])[:width]
        frontier, rows = [c[2] for c in best], [c[1] for c in best]
        feature = h2[rows]
        seen = torch.cat([seen[rows], torch.eye(width, dtype=torch.bool)], -1)
    truncate(cache, stable)
    kept = sorted(sorted(range(len(nodes)), key=lambda i: (-nodes[i][2], i))[:budget])
    place = {-1: -1} | {node: i for i, node in enumerate(kept)}
    return [nodes[i][0] for i in kept], [place[nodes[i][1]] for i in kept], [nodes[i][2] for i in kept]


def unrolled(head, steps, features, embedded, bias, project, attend, finish):
    """h2 of `steps` draft steps at every column at once, as the head drafts: step s reads its own h2 of step s - 1.

    features [batch, rows, 3 hidden], embedded [batch, rows + steps, hidden] of tokens one ahead (column i reads token
    i + 1 + s at step s), bias [batch, rows, rows] (zero or -inf). At step s column i looks at columns 0..i of step 0 and at
    itself in steps 1..s. The three functions are the head's parts, compiled or not.
    """
    s, rows = head.shape, features.shape[1]
    feature, keys, values = head.fc(features).float(), [], []
    for step in range(steps):
        cos, sin = rope_tables(torch.arange(rows, device=features.device) + step, s.head_dim, s.rope_theta)
        q, k, v = project(embedded[:, step : step + rows], feature, cos, sin)
        if step == 0:
            first_k, first_v = k, v
        else:
            keys.append(k), values.append(v)
        empty = [torch.zeros_like(k)] * (steps - 1 - len(keys))
        seen = torch.zeros(max(steps - 1, 1), device=k.device).masked_fill_(torch.arange(max(steps - 1, 1), device=k.device) >= len(keys), float("-inf"))
        if steps == 1:
            empty = [torch.zeros_like(k)]
        mixed = attend(q, first_k, first_v, torch.stack(keys + empty, 3), torch.stack(values + empty, 3), bias, seen)
        feature = finish(feature, mixed).float()
        yield feature


def attend(q, k0, v0, kd, vd, bias, seen):
    """q [batch, heads, rows, d] over k0 [batch, kv, rows, d] (all columns, with bias) and kd [batch, kv, rows, steps, d] (own column)."""
    kv, rows = k0.shape[1], k0.shape[2]
    share, scale = q.shape[1] // kv, q.shape[-1] ** -0.5
    grouped = q.unflatten(1, (kv, share))
    s0 = (grouped.flatten(2, 3) @ k0.transpose(-1, -2)).unflatten(2, (share, rows)).float() * scale + bias[:, None, None]
    sd = (grouped[..., None, :] * kd[:, :, None]).float().sum(-1) * scale + seen
    weight = torch.cat([s0, sd], -1).softmax(-1).to(v0.dtype)
    mixed = (weight[..., :rows].flatten(2, 3) @ v0).unflatten(2, (share, rows)) + (weight[..., rows:, None] * vd[:, :, None]).sum(-2)
    return mixed.flatten(1, 2)
