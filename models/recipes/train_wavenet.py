"""Train a small WaveNet vocoder on the generated corpus, from nothing.

    python train_wavenet.py --corpus corpus --out out --steps 20000

A mixture of ten logistics says how each 16-bit sample of the pre-emphasised wave is distributed, given those
before it and the mel. A share of every batch are mels predicted by the acoustic models (corpus/gta*.npy, in turn).
The first part computes in bf16; the last one (--fine) in tf32, whose rounding is fine enough for quiet sound.

Writes out/<name>.safetensors with r9y9's names (16-bit moving average of the weights) and out/<name>.json with what
goes into model.toml beside it.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from lib import melspec
from lib.training import CUDA, DEVICE, EMA, Corpus, Graphed, cosine, half, log, set_lr
from lib.wavenet import WaveNet, emphasised, public_state

HOP = melspec.HOP
MORE = 2  # frames on each side that upsampling wants


class Segments:
    """Random stretches of the corpus with the wave before each and the mel around it."""

    def __init__(self, a, corpus, reach):
        self.corpus, self.a, self.around = corpus, a, reach + MORE
        self.n_frames = a.lead + a.frames
        usable = corpus.n_frames_cpu > self.n_frames + 1
        usable[corpus.val] = False
        self.candidates = torch.nonzero(usable)[:, 0].to(DEVICE)
        share = corpus.n_frames[self.candidates].float().cumsum(0)
        self.share = share / share[-1]
        # of bands that are never empty in speech the deviation is far from zero
        part = corpus.mel[::7].float()
        self.mean, self.std = part.mean(0), part.std(0).clamp_min(0.1)
        self.predicted = [torch.from_numpy(np.load(p)).to(DEVICE) for p in sorted(corpus.folder.glob("gta*.npy"))]
        print("predicted mels:", len(self.predicted), flush=True)

    def draw(self):
        k = self.candidates[torch.searchsorted(self.share, torch.rand(self.a.batch, device=DEVICE)).clamp_max(len(self.candidates) - 1)]
        first = (torch.rand(self.a.batch, device=DEVICE) * (self.corpus.n_frames[k] - self.n_frames)).long()
        first[0] = 0  # how a sentence begins
        return self.cut(k, first, self.predicted)

    def cut(self, k, first, predicted=()):
        """-> wave (B, 1 + T), mel, which of its frames are of the sentence, weight of each sample."""
        begin, end = self.corpus.frame_offsets[k][:, None], self.corpus.frame_offsets[k + 1][:, None]
        q = begin + first[:, None] + torch.arange(-self.around, self.n_frames + self.around, device=DEVICE)
        place = torch.minimum(torch.maximum(q, begin), end - 1)
        mel = self.corpus.mel[place].float()
        for i, mels in enumerate(predicted):
            rows = slice(1 + i, 1 + round(len(k) * self.a.gta), len(predicted))
            mel[rows] = mels[place[rows]].float()
        reach = self.around - MORE
        inside = ((q >= begin) & (q < end))[:, reach:q.shape[1] - reach].float()
        start = (begin + first[:, None]) * HOP
        at = start + torch.arange(-2, self.n_frames * HOP, device=DEVICE)
        wave = self.corpus.wave[at.clamp_min(0)].float() / 32768 * (at >= begin * HOP)
        # what the network heard before counts only where it heard enough of it
        weight = (torch.arange(self.n_frames * HOP, device=DEVICE) >= self.a.lead * HOP) | (first[:, None] == 0)
        return emphasised(wave, self.a.preemphasis, self.a.gain), (mel - self.mean) / self.std, inside, weight.float()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--name", default="wavenet")
    ap.add_argument("--steps", type=int, default=20000)
    ap.add_argument("--seconds", type=float, help="instead of --steps: as many as fit, by the rate of the first ones")
    ap.add_argument("--fine", type=float, default=0.35, help="share of the steps in tf32, at the end")
    ap.add_argument("--batch", type=int, default=24)
    ap.add_argument("--frames", type=int, default=32, help="of a segment")
    ap.add_argument("--lead", type=int, default=2, help="frames before it that are heard but not learned")
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--gta", type=float, default=0.35, help="share of predicted mels in a batch")
    ap.add_argument("--preemphasis", type=float, default=0.85)
    ap.add_argument("--gain", type=float, default=2.0)
    ap.add_argument("--check", type=float, default=60, help="seconds between checks")
    ap.add_argument("--compile", action="store_true", help="fuse small operations with torch.compile")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)

    corpus = Corpus(a.corpus, wave=True)
    model = WaveNet().to(DEVICE)
    if a.compile:
        model.compile()
    segments = Segments(a, corpus, model.reach)
    print(a.name, "parameters", sum(p.numel() for p in model.parameters()), flush=True)
    ema = EMA(model, 0.9995)
    optimizer = torch.optim.AdamW(model.parameters(), lr=torch.tensor(a.lr, device=DEVICE) if CUDA else a.lr, betas=(0.9, 0.98), eps=1e-8,
                                  weight_decay=0.0, fused=CUDA, capturable=CUDA)
    average = torch.zeros((), device=DEVICE)
    crop = MORE * HOP

    def step_in(dtype):
        def train_step(*batch):
            loss = model.loss(*batch, crop, dtype)
            optimizer.zero_grad(set_to_none=not CUDA)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()
            average.lerp_(loss.detach(), 0.01)
        return Graphed(train_step)

    coarse, fine = step_in(torch.bfloat16 if CUDA else torch.float32), step_in(torch.float32)
    k = corpus.val[corpus.n_frames_cpu[corpus.val] > segments.n_frames + 1][:48].to(DEVICE)
    held_out = segments.cut(k, (corpus.n_frames[k] - segments.n_frames) // 2)
    other = WaveNet().to(DEVICE)

    @torch.no_grad()
    def validate():
        other.load_state_dict(ema.state())
        return float(other.loss(*held_out, crop, torch.float32))

    def save():
        save_file(half(public_state(ema.state())), str(a.out / f"{a.name}.part"))
        (a.out / f"{a.name}.part").rename(a.out / f"{a.name}.safetensors")
        settings = dict(preemphasis=a.preemphasis, gain=a.gain, mel_mean=[round(v, 3) for v in segments.mean.tolist()],
                        mel_std=[round(v, 3) for v in segments.std.tolist()])
        (a.out / f"{a.name}.json").write_text(json.dumps(settings))

    def run(replay, n=1):
        for _ in range(n):
            replay(0, segments.draw())
        if CUDA:
            torch.cuda.synchronize()

    start = time.time()
    set_lr(optimizer, 0.1 * a.lr)
    rates = []
    for replay in (fine, coarse):
        run(replay)
        if a.seconds:
            since, n = time.time(), 40
            run(replay, n)
            rates.append((time.time() - since) / n)
    print("graphs made in", round(time.time() - start, 1), "s; a step takes", [round(1000 * r, 2) for r in rates], "ms", flush=True)
    if a.seconds:
        left = a.seconds - (time.time() - start)
        a.steps = int(left / (a.fine * rates[0] + (1 - a.fine) * rates[1]))
        print("steps", a.steps, flush=True)
    since = start
    for step in range(1, a.steps + 1):
        is_fine = step > (1 - a.fine) * a.steps
        set_lr(optimizer, a.lr * cosine(step, a.steps, 500, 0.01))
        (fine if is_fine else coarse)(0, segments.draw())
        ema.update()
        if step % 20 == 0:
            if CUDA:
                torch.cuda.synchronize()
            if time.time() - since > a.check or step == 200:
                since = time.time()
                log(step=step, seconds=since - start, fine=is_fine, train=float(average), val=validate())
                save()
    log(step=a.steps, seconds=time.time() - start, train=float(average), val=validate())
    save()


if __name__ == "__main__":
    main()
