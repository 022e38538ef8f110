"""Train the stochastic duration predictor for a trained Matcha-TTS, whose encoder stays as it is.

    python train_durations.py --matcha out/matcha.safetensors --corpus corpus --out out --steps 2500

Writes out/durations.safetensors (16-bit moving average of the weights, the names of VITS).
"""

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lib.durations import StochasticDurations
from lib.matcha import Matcha
from lib.training import CUDA, DEVICE, EMA, Buckets, Corpus, Graphed, cosine, half, log, set_lr


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--matcha", type=Path, required=True)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=2500)
    ap.add_argument("--start", type=Path, help="go on from these tensors")
    ap.add_argument("--stop", type=int, default=10 ** 9, help="end after this step of the schedule")
    ap.add_argument("--frames", type=int, default=40000, help="padded frames whose symbols make a step")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--check", type=int, default=1000, help="steps between validations")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)

    corpus = Corpus(a.corpus)
    encoder = Matcha.from_state(load_file(str(a.matcha))).to(DEVICE).encoder.requires_grad_(False)
    model = StochasticDurations(encoder.emb.embedding_dim).to(DEVICE)
    if a.start:
        model.load_state_dict({k: v.float() for k, v in load_file(str(a.start)).items()})
    print("durations: parameters", sum(p.numel() for p in model.parameters()), flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=torch.tensor(a.lr, device=DEVICE) if CUDA else a.lr, betas=(0.8, 0.99),
                                  weight_decay=0.01, fused=CUDA, capturable=CUDA)
    ema = EMA(model, 0.998)
    buckets = Buckets(corpus, a.frames, generator=torch.Generator().manual_seed(a.seed))

    def loss(x, lengths, durations):
        with torch.no_grad():
            hidden, _, _, mask = encoder(x, lengths)
        return model(hidden, mask, durations.clamp_min(1).float()[:, None] * mask).sum() / mask.sum()

    def train_step(*batch):
        l = loss(*batch)
        optimizer.zero_grad(set_to_none=not CUDA)
        l.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0, foreach=True)
        optimizer.step()
        return l.detach()

    def validate():
        """Loss, and how far the deviation of sampled whole durations is from the teacher's."""
        live = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(ema.state())
        model.eval()
        total, batches, sampled, real = 0.0, corpus.batches(a.frames, corpus.val), [], []
        with torch.no_grad():
            for idx in batches:
                x, lengths, durations, *_ = corpus.get(idx)
                total += float(loss(x, lengths, durations)) / len(batches)
                hidden, _, _, mask = encoder(x, lengths)
                inside = mask[:, 0] > 0
                sampled.append(torch.ceil(torch.exp(model.sample(hidden, mask)[:, 0]))[inside])
                real.append(durations[inside].float())
        model.load_state_dict(live)
        model.train()
        sampled, real = torch.cat(sampled), torch.cat(real)
        return dict(loss=total, mean=float(sampled.mean()), std=float(sampled.std()), teacher_mean=float(real.mean()), teacher_std=float(real.std()))

    step_fn, step, start, last = Graphed(train_step), 0, time.time(), min(a.steps, a.stop)
    model.train()
    while step < last:
        for key, idx, n, t in buckets.epoch():
            set_lr(optimizer, a.lr * cosine(step, a.steps, 0.03 * a.steps, 0.02))
            l = step_fn(key, corpus.get(idx, n, t)[:3])
            ema.update()
            step += 1
            if step % 10 == 0 and CUDA:
                torch.cuda.synchronize()
            if step % a.check == 0 or step == last:
                log(durations=step, seconds=time.time() - start, train=float(l), val={k: round(v, 4) for k, v in validate().items()})
                save_file(half(ema.state()), str(a.out / "durations.safetensors"))
            if step == last:
                break


if __name__ == "__main__":
    main()
