"""Train FastSpeech 2 on the generated corpus.

    python train_fastspeech2.py --corpus corpus --out out --steps 12000

Writes out/fastspeech2.safetensors (16-bit moving average of the weights) and, beside the corpus,
gta.npy: the model's mels with the teacher's durations, pitch and energy, for the vocoder.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from lib.fastspeech2 import FastSpeech2
from lib.losses import Ssim
from lib.training import CUDA, DEVICE, EMA, Buckets, Corpus, Graphed, cosine, half, log, set_lr


class Losses:
    def __init__(self, model, stats):
        self.model = model
        self.mean = torch.tensor(stats["mel_mean"], device=DEVICE)
        self.std = stats["mel_std"]
        self.ssim = Ssim(DEVICE)

    def __call__(self, x, lengths, durations, pitch, energy, mel):
        with torch.autocast(DEVICE.split(":")[0], torch.bfloat16, enabled=CUDA, cache_enabled=False):
            o = self.model(x, lengths, durations, pitch, energy, mel.shape[1])
        mask, frames = o["mask"], o["frame_mask"]
        l1 = lambda y: ((y.float() - mel).abs() * frames).sum() / (frames.sum() * mel.shape[2] * self.std)
        square = lambda p, t: (((p.float() - t) ** 2) * mask).sum() / mask.sum()
        unit = lambda y: ((y - self.mean) / self.std + 3) / 6
        # SpeechBrain cuts durations (expm1(log_d)) to whole numbers, so aim half a frame higher
        return dict(mel=l1(o["post"]), pre=l1(o["pre"]), ssim=self.ssim(unit(o["post"]), unit(mel), frames),
                    duration=square(o["log_d"], torch.log1p(durations + 0.5)),
                    pitch=square(o["pitch"], pitch), energy=square(o["energy"], energy))

    @staticmethod
    def total(l):
        return l["mel"] + 0.2 * l["pre"] + 0.5 * l["ssim"] + 0.2 * l["duration"] + 0.1 * l["pitch"] + 0.1 * l["energy"]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=12000)
    ap.add_argument("--start", type=Path, help="go on from these tensors (with --steps 0: only write the predicted mels)")
    ap.add_argument("--frames", type=int, default=24000, help="padded frames a step")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--check", type=int, default=1000, help="steps between validations")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)

    corpus = Corpus(a.corpus)
    model = FastSpeech2().to(DEVICE)
    with torch.no_grad():
        model.linear.w.bias.copy_(torch.tensor(corpus.stats["mel_mean"]))
        model.postnet.ln3.weight.fill_(0.1)
        model.durPred.linear.w.bias.fill_(1.7)
    if a.start:
        model.load_state_dict({k: v.float() for k, v in load_file(str(a.start)).items()})
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    predictors = [p for k, p in model.named_parameters() if "Pred." in k]
    others = [p for k, p in model.named_parameters() if "Pred." not in k]
    lr = lambda: torch.tensor(a.lr, device=DEVICE) if CUDA else a.lr
    optimizer = torch.optim.AdamW([dict(params=others, lr=lr(), weight_decay=0.01), dict(params=predictors, lr=lr(), weight_decay=0.1)],
                                  betas=(0.9, 0.98), eps=1e-8, fused=CUDA, capturable=CUDA)
    ema, losses = EMA(model), Losses(model, corpus.stats)
    buckets = Buckets(corpus, a.frames, generator=torch.Generator().manual_seed(a.seed))
    print("buckets", [b[1:] for b in buckets.buckets], flush=True)

    def train_step(*batch):
        l = losses(*batch)
        optimizer.zero_grad(set_to_none=not CUDA)
        Losses.total(l).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return {k: v.detach() for k, v in l.items()}

    def validate():
        live = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(ema.state())
        model.eval()
        sums, batches = {}, corpus.batches(a.frames, corpus.val)
        with torch.no_grad():
            for idx in batches:
                for k, v in losses(*corpus.get(idx)).items():
                    sums[k] = sums.get(k, 0.0) + float(v) / len(batches)
        model.load_state_dict(live)
        model.train()
        return sums

    step_fn, step, start = Graphed(train_step), 0, time.time()
    model.train()
    while step < a.steps:
        for key, idx, n, t in buckets.epoch():
            batch = corpus.get(idx, n, t)
            set_lr(optimizer, a.lr * cosine(step, a.steps, 0.04 * a.steps, 0.02))
            l = step_fn(key, batch)
            ema.update()
            step += 1
            if step % 10 == 0 and CUDA:
                torch.cuda.synchronize()
            if step % a.check == 0 or step == a.steps:
                log(fastspeech2=step, seconds=time.time() - start, steps_per_s=step / (time.time() - start),
                    train={k: round(float(v), 4) for k, v in l.items()}, val={k: round(v, 4) for k, v in validate().items()})
                save_file(half(ema.state()), str(a.out / "fastspeech2.safetensors"))
            if step == a.steps:
                break

    # mels for the vocoder, computed with the moving average of the weights
    model.load_state_dict(ema.state())
    model.eval()
    start, offsets = time.time(), corpus.frame_offsets.cpu().numpy()
    gta = np.zeros((int(offsets[-1]), 80), np.float16)
    with torch.no_grad():
        for idx in corpus.batches(60000, torch.arange(corpus.n)):
            x, lengths, d, pitch, energy, mel = corpus.get(idx)
            with torch.autocast(DEVICE.split(":")[0], torch.bfloat16, enabled=CUDA, cache_enabled=False):
                y = model(x, lengths, d, pitch, energy, mel.shape[1])["post"].half().cpu().numpy()
            for r, k in enumerate(idx.tolist()):
                gta[offsets[k]:offsets[k + 1]] = y[r, :offsets[k + 1] - offsets[k]]
    np.save(a.corpus / "part.npy", gta)
    (a.corpus / "part.npy").rename(a.corpus / "gta.npy")
    print("predicted mels written,", round(time.time() - start, 1), "s", flush=True)


if __name__ == "__main__":
    main()
