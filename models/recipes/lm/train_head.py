"""Trains the EAGLE-3 head on the target's answers, and measures chains of drafts on the held-out prompts.

    python train_head.py --gguf MODEL --answers answers.npz --steps 8000 --out head

The target reads all answers once; its taps and last hidden states stay on the card. Each step unrolls the head `--unroll`
times; step s weighs 0.8^s. The loss is the cross-entropy with the target's distribution over the draft vocabulary, a part
`--sharp` of which is moved to the target's best token (drafts are the head's best tokens).
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from eagle import Head, Shape, attend, unrolled
from llama import Llama
from tokenizer import END

KINDS = ["copy", "summarise", "edit code", "answer from a document", "open chat"]


def draft_vocabulary(tokens, made, size):
    counts = np.bincount(tokens[made > 0], minlength=49152).astype(np.int64)
    counts[:3] += 10**9  # end of text, start and end of a turn
    kept = np.sort(np.argsort(-counts, kind="stable")[:size])
    print(f"draft vocabulary {size}: {counts[kept[3:]].sum() / counts[3:].sum():.4f} of the made tokens", flush=True)
    return torch.from_numpy(kept)


def warm_start(head, model, ids):
    """The target's output embedding and norm, and its last layer on the feature's side."""
    last, h, kv = model.layers[-1], head.shape.hidden_size, head.shape.num_key_value_heads * head.shape.head_dim
    m = head.midlayer
    with torch.no_grad():
        head.d2t.copy_(ids - torch.arange(len(ids), device=ids.device))
        head.lm_head.weight.copy_(model.embed[ids])
        head.norm.weight.copy_(model.norm)
        head.fc.weight.mul_(0.1)
        head.fc.weight[:, -h:] += torch.eye(h, device=ids.device)
        m.hidden_norm.weight.copy_(last["n1"]), m.post_attention_layernorm.weight.copy_(last["n2"])
        for part, rows in zip([m.self_attn.q_proj, m.self_attn.k_proj, m.self_attn.v_proj], last["qkv"].split([h, kv, kv])):
            part.weight.mul_(0.3)
            part.weight[:, h:] = rows
        m.self_attn.o_proj.weight.copy_(last["o"])
        gate, up = last["up"].chunk(2)
        m.mlp.gate_proj.weight.copy_(gate), m.mlp.up_proj.weight.copy_(up), m.mlp.down_proj.weight.copy_(last["down"])


def read(model, tokens, documents, taps, rows=32):
    """Taps and last hidden states of all rows, and the target's best tokens."""
    n, length = tokens.shape
    kind = dict(device=model.device, dtype=model.dtype)
    features, hidden = torch.empty(n, length, len(taps) * model.hidden, **kind), torch.empty(n, length, model.hidden, **kind)
    best = torch.empty(n, length, dtype=torch.int32, device=model.device)
    for i in range(0, n, rows):
        part = slice(i, i + rows)
        features[part], hidden[part] = model.forward(tokens[part].long(), documents[part], taps)
        for row in range(i, min(i + rows, n), 8):
            best[row : row + 8] = F.linear(hidden[row : row + 8], model.embed).argmax(-1).int()
    return features, hidden, best


def document_bias(documents):
    same = (documents[:, :, None] == documents[:, None, :]).tril()
    return torch.zeros(same.shape, device=documents.device).masked_fill_(~same, float("-inf"))


def ahead(tokens, embed, steps):
    """Embeddings of the tokens one ahead, with `steps` columns more."""
    return F.embedding(F.pad(tokens[:, 1:].long(), (0, steps + 1)), embed)


def rounds(hit, prompt_ends, ends):
    """Tokens a round of chain drafting: hit [rows, columns, k] says whether draft s of column i would be accepted."""
    out = []
    for row, begin, end in zip(hit, prompt_ends, ends):
        # token `begin` is the first one made; column i drafts token i + 2
        newest, tokens, n = begin, 0, 0
        while newest + hit.shape[-1] < end:
            accepted = 0
            for ok in row[newest - 1]:
                if not ok:
                    break
                accepted += 1
            newest, tokens, n = newest + accepted + 1, tokens + accepted + 1, n + 1
        out.append((tokens, n))
    return out


@torch.no_grad()
def measure(head, model, answers, taps, k=4, draws=8):
    """Mean acceptance length of chains of k drafts on the held-out answers: greedy, and by rejection sampling at T = 1.

    The tokens are the target's own, so which drafts it would accept can be read off for all columns at once: greedily,
    those equal to them; at T = 1 a token t drawn from p stands for an accepted draft with probability min(1, q(t) / p(t)).
    """
    device, result = model.device, {}
    inverse = torch.full((49152,), -1, dtype=torch.int64, device=device)
    ids = torch.arange(len(head.d2t), device=device) + head.d2t
    inverse[ids] = torch.arange(len(ids), device=device)
    kinds = answers["held_out_kinds"]
    for name in ["greedy", "sampled"]:
        tokens, made, own = (torch.from_numpy(answers[f"held_out_{name}_{x}"].astype(np.int64)).to(device) for x in ["tokens", "made", "own"])
        n, length = tokens.shape
        made = made * own
        begins = made.argmax(1)
        stop = ((tokens == END) & (made > 0)).long()
        ends = torch.where(stop.any(1), stop.argmax(1) + 1, length)
        features, hidden = model.forward(tokens, torch.ones_like(tokens), taps)
        bias = document_bias(torch.ones_like(tokens))
        p = F.linear(hidden, model.embed).float()
        padded = F.pad(tokens, (0, k + 2))
        hits, ratios = [], []
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            for s, h2 in enumerate(unrolled(head, k, features, ahead(tokens, model.embed, k), bias, head.project, attend, head.finish)):
                logits = head.logits(h2).float()
                truth = padded[:, s + 2 : s + 2 + length]
                hits.append(ids[logits.argmax(-1)] == truth)
                if name == "sampled":
                    q = logits.log_softmax(-1).gather(-1, inverse[truth].clamp(min=0)[..., None])[..., 0]
                    q = q.masked_fill(inverse[truth] < 0, float("-inf"))
                    after = F.pad(p, (0, 0, 0, k))[:, s + 1 : s + 1 + length].log_softmax(-1).gather(-1, truth[..., None])[..., 0]
                    ratios.append((q - after).exp())
        if name == "greedy":
            trials = [torch.stack(hits, -1)]
        else:
            ratio = torch.stack(ratios, -1)
            trials = [torch.rand_like(ratio) < ratio for _ in range(draws)]
        counts = np.array([rounds(t.cpu().numpy(), begins.tolist(), ends.tolist()) for t in trials]).sum(0)
        per_kind = {KINDS[i]: counts[kinds == i] for i in range(5) if (kinds == i).any()}
        result[name] = {kind: round(float(c[:, 0].sum() / max(1, c[:, 1].sum())), 3) for kind, c in per_kind.items()}
        result[name]["all"] = round(float(np.mean(list(result[name].values()))), 3)
    return result


def save(head, out):
    out.mkdir(parents=True, exist_ok=True)
    whole = {k: (v if k == "d2t" else v.half()).cpu().numpy() for k, v in head.state_dict().items()}
    np.savez(out / "layer.npz", **{k: v for k, v in whole.items() if k != "lm_head.weight"})
    np.savez(out / "output.npz", **{"lm_head.weight": whole["lm_head.weight"]})


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "answers", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--steps", type=int, default=8000)
    arguments.add_argument("--seconds", type=float, help="instead of --steps: as many as fit, by the rate of the first ones")
    arguments.add_argument("--rows", type=int, default=16)
    arguments.add_argument("--unroll", type=int, default=6)
    arguments.add_argument("--rate", type=float, default=6e-4)
    arguments.add_argument("--sharp", type=float, default=0.3)
    arguments.add_argument("--draft-vocabulary", type=int, default=8192)
    arguments.add_argument("--limit", type=int, help="rows of answers to read")
    arguments.add_argument("--start", type=Path, help="a folder written before, to train on")
    arguments.add_argument("--eager", action="store_true")
    a = arguments.parse_args()
    began = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(6)
    torch.backends.cuda.matmul.allow_tf32 = True
    answers = np.load(a.answers)
    tokens, made, uses = (answers[x][: a.limit] for x in ["tokens", "made", "uses"])
    model = Llama(a.gguf, device, torch.bfloat16 if device == "cuda" else torch.float32)
    shape = Shape(draft_vocab_size=a.draft_vocabulary, hidden_size=model.hidden, num_attention_heads=model.heads, num_key_value_heads=model.kv,
                  intermediate_size=model.layers[0]["down"].shape[1], rope_theta=model.theta)
    ids = draft_vocabulary(tokens, made, shape.draft_vocab_size).to(device)
    head = Head(shape).to(device)
    warm_start(head, model, ids)
    if a.start:
        state = dict(np.load(a.start / "layer.npz")) | dict(np.load(a.start / "output.npz"))
        head.load_state_dict({k: torch.from_numpy(v) if k == "d2t" else torch.from_numpy(v).float() for k, v in state.items()})
        ids = torch.arange(len(head.d2t), device=device) + head.d2t
    draftable = torch.zeros(49152, dtype=torch.bool, device=device)
    draftable[ids] = True
    tokens, made, documents = (torch.from_numpy(x.astype(np.int32)).to(device) for x in [tokens, made, uses])
    features, hidden, best = read(model, tokens, documents, shape.taps)
    draft_embed = model.embed[ids]
    inverse = torch.zeros(49152, dtype=torch.int64, device=device)
    inverse[ids] = torch.arange(len(ids), device=device)
    print(f"{tokens.numel()} tokens read, {time.time() - began:.1f} s", flush=True)

    n, length = tokens.shape
    project, mix, finish = head.project, attend, head.finish

    def distributions(last, best):
        p = F.linear(last, draft_embed).float().softmax(-1) * (1 - a.sharp)
        return p.scatter_add_(-1, inverse[best.long()][..., None], torch.full_like(p[..., :1], a.sharp)).bfloat16()

    def cross_entropy(h2, p, m):
        logits = head.logits(h2).float()
        loss = (logits.logsumexp(-1) - (p.float() * logits).sum(-1)) * m
        return loss.sum(), ((logits.argmax(-1) == p.argmax(-1)) * m).sum()

    if not a.eager:
        project, mix, finish = (torch.compile(f, dynamic=False) for f in (project, mix, finish))
        distributions, cross_entropy = torch.compile(distributions, dynamic=False), torch.compile(cross_entropy, dynamic=False)

    def losses(rows):
        ids, own, docs = tokens[rows], made[rows], documents[rows]
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            with torch.no_grad():
                p = F.pad(distributions(hidden[rows], best[rows]), (0, 0, 0, a.unroll + 1))
                m = F.pad(own, (0, a.unroll + 2)).float()
                allowed = F.pad(draftable[best[rows].long()], (0, a.unroll + 1)).float()
                embedded, bias = ahead(ids, model.embed, a.unroll), document_bias(docs)
            total, found, right = 0, [], []
            for s, h2 in enumerate(unrolled(head, a.unroll, features[rows], embedded, bias, project, mix, finish)):
                counted = m[:, s + 2 : s + 2 + length]
                loss, hits = cross_entropy(h2, p[:, s + 1 : s + 1 + length], counted * allowed[:, s + 1 : s + 1 + length])
                total = total + 0.8**s * loss / counted.sum().clamp(min=1)
                right.append(hits / counted.sum().clamp(min=1))
        return total, torch.stack(right).detach()

    optimiser = torch.optim.AdamW(head.parameters(), lr=a.rate, betas=(0.9, 0.95), weight_decay=0.0, fused=device == "cuda")
    steps, order, step, rate_from = a.steps if a.seconds is None else 10**9, None, 0, None
    while step < steps:
        if order is None or step * a.rows // n != (step - 1) * a.rows // n:
            order = torch.randperm(n, device=device)
        rows = order[torch.arange(step * a.rows, (step + 1) * a.rows, device=device) % n]
        warm = 100
        progress = min(1.0, step / steps) if steps < 10**9 else 0.0
        for group in optimiser.param_groups:
            group["lr"] = a.rate * min(1, (step + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        loss, right = losses(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 0.5)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if a.seconds is not None and step in (30, 130):
            torch.cuda.synchronize() if device == "cuda" else None
            if step == 30:
                rate_from = time.time()
            else:
                per = (time.time() - rate_from) / 100
                steps = max(130, int(130 + (a.seconds - (time.time() - began) - 8) / per))
                print(f"{1 / per:.1f} steps a second: {steps} steps", flush=True)
        if step in (1, 10, 30, 100) or step % 250 == 0:
            print(f"step {step} loss {loss.item():.4f} right {' '.join(f'{r:.3f}' for r in right.tolist())} {time.time() - began:.1f} s", flush=True)
        if step % 1000 == 0:
            save(head, a.out)
            print(json.dumps(measure(head, model, answers, shape.taps)), flush=True)
    save(head, a.out)
    (a.out / "config.json").write_text(json.dumps(shape.config(), indent=1) + "\n")
    final = measure(head, model, answers, shape.taps)
    (a.out / "measured.json").write_text(json.dumps({"steps": step, "seconds": round(time.time() - began, 1), "tokens": tokens.numel(), "chain of 4": final}, indent=1) + "\n")
    print(json.dumps(final), flush=True)
