"""The target model answers: rows of many conversations one after another, thousands of rows at once.

    python generate.py --gguf MODEL --prompts prompts.npz --out answers.npz

First the model makes up questions itself (it is given the start of a user's turn), then it answers those and the
prepared ones, half greedily, half at temperature 0.7 or 1. Every row holds conversations one after another; they do not
see each other. The held-out prompts are answered greedily and at temperature 1, in 32-bit floats.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from eagle import rope_tables
from llama import Llama
from tokenizer import END


class Generator:
    def __init__(self, model, rows, length, step=128):
        self.model, self.rows, self.length, self.step = model, rows, length, step
        self.caches = model.caches(rows, length)
        self.cos, self.sin = rope_tables(torch.arange(length, device=model.device), model.hd, model.theta)
        long = lambda *shape: torch.zeros(shape, dtype=torch.int64, device=model.device)
        self.t, self.token, self.start, self.offset, self.use = long(1), long(rows), long(rows), long(rows), long(rows)
        self.taken = long(1)
        self.tokens, self.uses, self.made = long(rows, length + 1), long(rows, length + 1), long(rows, length + 1)
        self.graphs = {}

    def set_uses(self, prompts, lengths, temperatures, most):
        """What is to be answered: prompts [n, longest] with their lengths, and for each a temperature and most new tokens."""
        self.prompts, self.lengths, self.temperatures, self.most = prompts, lengths, temperatures, most
        self.taken.zero_()
        self.graphs = {}

    def begin(self):
        first = self.taken + torch.arange(self.rows, device=self.model.device)
        self.use.copy_(first % len(self.prompts))
        self.taken += self.rows
        for x in (self.t, self.start, self.offset):
            x.zero_()
        self.token.copy_(self.prompts[self.use, 0])
        self.tokens.zero_(), self.uses.zero_(), self.made.zero_()
        self.tokens[:, 0], self.uses[:, 0] = self.token, self.use

    def advance(self, window):
        logits = self.model.decode(self.token, self.t, self.start, self.caches, window, self.cos, self.sin).float()
        warm = self.temperatures[self.use][:, None]
        drawn = logits / warm.clamp(min=0.1) - torch.empty_like(logits).exponential_().log_()
        best = torch.where(warm[:, 0] > 0, drawn.argmax(-1), logits.argmax(-1))
        length = self.lengths[self.use]
        n_new = self.offset + 1 - length  # tokens made so far
        over = (n_new >= 0) & ((self.token == END) & (n_new > 0) | (n_new >= self.most[self.use]))
        following = self.taken + over.cumsum(0) - 1
        self.taken += over.sum()
        use = torch.where(over, following % len(self.prompts), self.use)
        offset = torch.where(over, 0, self.offset + 1)
        forced = offset < self.lengths[use]
        token = torch.where(forced, self.prompts[use, offset.clamp(max=self.prompts.shape[1] - 1)], best)
        self.start.copy_(torch.where(over, self.t + 1, self.start))
        self.use.copy_(use), self.offset.copy_(offset), self.token.copy_(token)
        self.t += 1
        self.tokens.index_copy_(1, self.t, token[:, None])
        self.uses.index_copy_(1, self.t, use[:, None])
        self.made.index_copy_(1, self.t, (~forced).long()[:, None])

    def run(self, steps):
        """Rows of `steps` + 1 tokens: tokens, uses and whether the model made them, [rows, steps + 1]."""
        for t in range(steps):
            window = min(self.length, (t // self.step + 1) * self.step)
            if not torch.cuda.is_available():
                self.advance(window)
                continue
            if window not in self.graphs:
                self.graphs[window] = self.capture(window)
            self.graphs[window].replay()
        return self.tokens[:, : steps + 1], self.uses[:, : steps + 1], self.made[:, : steps + 1]

    def capture(self, window):
        state = [self.t, self.token, self.start, self.offset, self.use, self.taken, self.tokens, self.uses, self.made]
        kept = [x.clone() for x in state]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.advance(window)
        torch.cuda.current_stream().wait_stream(side)
        for x, before in zip(state, kept):
            x.copy_(before)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.advance(window)
        for x, before in zip(state, kept):
            x.copy_(before)
        return graph


def table(rows, device):
    """Rows of unequal length as [n, longest], with lengths."""
    out = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.as_tensor(np.asarray(row, np.int64))
    return out.to(device), torch.tensor([len(r) for r in rows], device=device)


def unpack(file, name):
    ends = np.cumsum(file[f"{name}_lengths"].astype(np.int64))
    return np.split(file[f"{name}_ids"], ends[:-1])


def questions(model, user, rows, steps):
    """Questions that the model makes up when it is to write the user's turn."""
    prompts, lengths = table([user], model.device)
    generator = Generator(model, rows, steps + 1)
    one = torch.ones(1, device=model.device)
    generator.set_uses(prompts, lengths, one, (one * 64).long())
    generator.begin()
    tokens, _, made = (x.cpu().numpy() for x in generator.run(steps))
    found = {}
    for row, own in zip(tokens, made):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], own, [0]])))
        for begin, end in edges.reshape(-1, 2):
            asked = row[begin:end]
            # the conversation is over at the end marker; what fills the row up is cut
            if asked[-1] == END and 5 <= len(asked) <= 64 and (asked[:-1] > 16).all():
                found[tuple(asked[:-1])] = None
    return [list(user) + list(q) for q in found]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "prompts", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--rows", type=int, default=2048)
    arguments.add_argument("--length", type=int, default=1024)
    arguments.add_argument("--batches", type=int, default=6)
    arguments.add_argument("--question-steps", type=int, default=384)
    arguments.add_argument("--held-out-new", type=int, default=160)
    arguments.add_argument("--seconds", type=float, default=1e9, help="no further batch after so long")
    a = arguments.parse_args()
    began = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(5)
    dice = np.random.default_rng(5)
    file = np.load(a.prompts)
    out = {}

    # held out, exactly: every prompt in a row of its own
    exact = Llama(a.gguf, device)
    held_out = unpack(file, "held_out")
    prompts, lengths = table(held_out, device)
    for name, warm in [("greedy", 0.0), ("sampled", 1.0)]:
        generator = Generator(exact, len(held_out), prompts.shape[1] + a.held_out_new)
        generator.set_uses(prompts, lengths, torch.full((len(held_out),), warm, device=device), torch.full((len(held_out),), 10**6, device=device))
        generator.begin()
        tokens, uses, made = generator.run(prompts.shape[1] + a.held_out_new - 1)
        out |= {f"held_out_{name}_tokens": tokens.cpu().numpy().astype(np.uint16), f"held_out_{name}_made": made.cpu().numpy().astype(np.uint8),
                f"held_out_{name}_own": (uses == uses[:, :1]).cpu().numpy().astype(np.uint8)}
        del generator
    out["held_out_kinds"] = file["held_out_kinds"]
    del exact
    print(f"held out answered, {time.time() - began:.1f} s", flush=True)

    model = Llama(a.gguf, device, torch.bfloat16 if device == "cuda" else torch.float32)
    asked = questions(model, file["user"], a.rows, a.question_steps)
    print(f"{len(asked)} questions made up, {time.time() - began:.1f} s", flush=True)
    everything = unpack(file, "train") + [q + list(file["assistant"]) for q in asked]
    kinds = np.concatenate([file["train_kinds"], np.full(len(asked), 4)])
    # every prompt greedily and at a temperature, in random order
    n = len(everything)
    order = dice.permutation(2 * n)
    warm = np.where(order < n, 0.0, dice.choice([0.7, 1.0, 1.0], 2 * n))
    prompts, lengths = table(everything, device)
    generator = Generator(model, a.rows, a.length)
    generator.set_uses(prompts[order % n], lengths[order % n], torch.tensor(warm, device=device, dtype=torch.float32),
                       torch.tensor(dice.integers(140, 340, 2 * n), device=device))
    parts = []
    for batch in range(a.batches):
        generator.begin()
        parts.append([x.cpu().numpy() for x in generator.run(a.length - 1)])
        tokens, _, made = parts[-1]
        print(f"batch {batch}: {tokens.size} tokens, {made.mean():.2f} made, {generator.taken.item()} of {2 * n} uses, {time.time() - began:.1f} s", flush=True)
        if time.time() - began > a.seconds:
            break
    tokens, uses, made = (np.concatenate(x) for x in zip(*parts))
    out |= {"tokens": tokens.astype(np.uint16), "uses": uses.astype(np.uint16 if 2 * n < 65536 else np.int32), "made": made.astype(np.uint8),
            "use_kinds": kinds[order % n], "use_temperatures": warm}
    np.savez(a.out, **out)
