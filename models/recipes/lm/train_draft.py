"""Trains a small Llama with the target's vocabulary on the target's answers: a draft model.

    python train_draft.py --gguf MODEL --answers answers.npz --steps 3000 --out draft

Embeddings (tied) start as the target's, projected on their main directions. The loss is the cross-entropy with the
target's whole distribution at the tokens that the target made.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from eagle import rms, rope, rope_tables
from llama import Llama
from tokenizer import END
from train_head import KINDS, rounds

VOCABULARY = 49152


class Draft(nn.Module):
    """Bias-free Llama; weights are named as in Hugging Face's."""

    def __init__(self, hidden=256, layers=3, heads=4, kv=2, ffn=768, theta=100000.0, eps=1e-5):
        super().__init__()
        self.heads, self.kv, self.hd, self.theta, self.eps, self.n_layers = heads, kv, hidden // heads, theta, eps, layers
        self.rounded = False  # whether weights are seen as Q4_1 keeps them
        weight = lambda o, i: nn.Parameter(torch.randn(o, i) * i**-0.5 * 0.7)
        self.p = nn.ParameterDict({"embed_tokens": weight(VOCABULARY, hidden), "norm": nn.Parameter(torch.ones(hidden))})
        for i in range(layers):
            self.p |= {f"{i}-input_layernorm": nn.Parameter(torch.ones(hidden)), f"{i}-post_attention_layernorm": nn.Parameter(torch.ones(hidden)),
                       f"{i}-q_proj": weight(hidden, hidden), f"{i}-k_proj": weight(kv * self.hd, hidden), f"{i}-v_proj": weight(kv * self.hd, hidden),
                       f"{i}-o_proj": weight(hidden, hidden), f"{i}-gate_proj": weight(ffn, hidden), f"{i}-up_proj": weight(ffn, hidden),
                       f"{i}-down_proj": weight(hidden, ffn)}

    def weight(self, name):
        return q4_1(self.p[name]) if self.rounded and self.p[name].dim() == 2 else self.p[name]

    def forward(self, ids, mask):
        """Normed hidden states [batch, rows, hidden]; mask [batch, rows, rows] is zero or -inf."""
        cos, sin = rope_tables(torch.arange(ids.shape[1], device=ids.device), self.hd, self.theta)
        x = F.embedding(ids, self.weight("embed_tokens"))
        for i in range(self.n_layers):
            w = lambda name: self.weight(f"{i}-{name}")
            y = rms(x, w("input_layernorm"), self.eps)
            q, k, v = (F.linear(y, w(n)).unflatten(-1, (-1, self.hd)).transpose(1, 2) for n in ("q_proj", "k_proj", "v_proj"))
            q, k = rope(q, cos, sin), rope(k, cos, sin)
            share = self.heads // self.kv
            mixed = F.scaled_dot_product_attention(q, k.repeat_interleave(share, 1), v.repeat_interleave(share, 1), attn_mask=mask[:, None].to(q.dtype))
            x = x + F.linear(mixed.transpose(1, 2).flatten(-2), w("o_proj"))
            y = rms(x, w("post_attention_layernorm"), self.eps)
            x = x + F.linear(F.silu(F.linear(y, w("gate_proj"))) * F.linear(y, w("up_proj")), w("down_proj"))
        return rms(x, self.p["norm"], self.eps)

    def logits(self, states):
        return F.linear(states, self.weight("embed_tokens"))


def q4_1(weight):
    """What a Q4_1 block of 32 keeps of the weights; gradients pass."""
    blocks = weight.detach().unflatten(-1, (-1, 32))
    low = blocks.amin(-1, keepdim=True).half().float()
    scale = ((blocks.amax(-1, keepdim=True) - low) / 15).half().float()
    kept = ((blocks - low) / scale.clamp(min=1e-8)).round().clamp(0, 15) * scale + low
    return weight + (kept.flatten(-2) - weight).detach()


@torch.no_grad()
def measure(draft, answers, device, k=4):
    """Mean acceptance length of greedy chains of k on the greedy held-out answers: a draft is right where all before it were,
    so the draft model's best tokens after the target's own ones say it all."""
    tokens, made, own = (torch.from_numpy(answers[f"held_out_greedy_{x}"].astype(np.int64)).to(device) for x in ["tokens", "made", "own"])
    length = tokens.shape[1]
    made = made * own
    stop = (tokens == END) & (made > 0)
    ends = torch.where(stop.any(1), stop.long().argmax(1) + 1, length)
    mask = torch.full((length, length), float("-inf"), device=device).triu(1).expand(len(tokens), -1, -1)
    best = draft.logits(draft(tokens, mask)).argmax(-1)
    right = best[:, :-1] == tokens[:, 1:]
    right = F.pad(right, (0, k + 2))
    # column i of `rounds` drafts from token i + 1 on
    hit = torch.stack([right[:, s + 1 : s + 1 + length] for s in range(k)], -1)
    counts, kinds = np.array(rounds(hit.cpu().numpy(), made.argmax(1).tolist(), ends.tolist())), answers["held_out_kinds"]
    out = {KINDS[i]: round(float(counts[kinds == i, 0].sum() / max(1, counts[kinds == i, 1].sum())), 3) for i in range(5) if (kinds == i).any()}
    return out | {"all": round(float(np.mean(list(out.values()))), 3)}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "answers", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--steps", type=int, default=3000)
    arguments.add_argument("--seconds", type=float, help="instead of --steps: as many as fit, by the rate of the first ones")
    arguments.add_argument("--rows", type=int, default=16)
    arguments.add_argument("--rate", type=float, default=2e-3)
    arguments.add_argument("--rounded-from", type=float, default=0.7, help="share of the steps after which the weights are seen as Q4_1")
    a = arguments.parse_args()
    began = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(10)
    torch.backends.cuda.matmul.allow_tf32 = True
    answers = np.load(a.answers)
    tokens, made, documents = (torch.from_numpy(answers[x].astype(np.int32)).to(device) for x in ["tokens", "made", "uses"])
    target = Llama(a.gguf, device, torch.bfloat16 if device == "cuda" else torch.float32)
    n, length = tokens.shape
    draft = Draft().to(device)
    with torch.no_grad():
        centred = target.embed.float()
        basis = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -draft.p["norm"].numel():]
        draft.p["embed_tokens"].copy_(centred @ basis)

    def cross_entropy(states, embed, last, target_embed, m):
        logits = F.linear(states, embed).float()
        p = F.linear(last, target_embed).float().softmax(-1)
        return ((logits.logsumexp(-1) - (p * logits).sum(-1)) * m).sum()

    if device == "cuda":
        cross_entropy = torch.compile(cross_entropy, dynamic=False)
    optimiser = torch.optim.AdamW(draft.parameters(), lr=a.rate, betas=(0.9, 0.95), weight_decay=0.0, fused=device == "cuda")
    steps, step, rate_from = a.steps, 0, None
    while step < steps:
        if a.seconds is not None and step in (50, 200):
            torch.cuda.synchronize()
            if step == 50:
                rate_from = time.time()
            else:
                steps = max(300, int(200 + (a.seconds - (time.time() - began) - 5) * 150 / (time.time() - rate_from)))
                print(f"{steps} steps", flush=True)
        rows = torch.randint(0, n, (a.rows,), device=device)
        for group in optimiser.param_groups:
            group["lr"] = a.rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        ids, docs = tokens[rows].long(), documents[rows]
        same = (docs[:, :, None] == docs[:, None, :]).tril()
        mask = torch.zeros(same.shape, device=device).masked_fill_(~same, float("-inf"))
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            _, last = target.forward(ids, docs, [])
            draft.rounded = step >= a.rounded_from * steps
            states = draft(ids, mask)
            m = F.pad(made[rows][:, 1:], (0, 1)).float()
            loss = cross_entropy(states, draft.weight("embed_tokens"), last, target.embed, m) / m.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(draft.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if step in (1, 10) or step % 250 == 0:
            print(f"step {step} loss {loss.item():.4f} {json.dumps(measure(draft, answers, device))} {time.time() - began:.1f} s", flush=True)
    final = measure(draft, answers, device)
    a.out.mkdir(parents=True, exist_ok=True)
    whole = {name: p.detach().half().cpu().numpy() for name, p in draft.p.items()}
    embed = whole.pop("embed_tokens")
    np.savez(a.out / "layers.npz", **whole)
    for i, part in enumerate(np.split(embed, 2)):
        np.savez(a.out / f"embed{i}.npz", embed_tokens=part)
    (a.out / "measured.json").write_text(json.dumps({"steps": steps, "seconds": round(time.time() - began, 1), "chain of 4, greedy": final}) + "\n")
    print(json.dumps(final), flush=True)
