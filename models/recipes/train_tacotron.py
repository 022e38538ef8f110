"""Train Tacotron or Tacotron 2 on the generated corpus.

    python train_tacotron.py --model tacotron2 --corpus corpus --out out --steps 6000

Teacher forcing holds for the mels only: the attention runs step by step as it does when it is free, and is
pulled towards the teacher's durations by a cross-entropy. While it learns, a falling share of the sentences
looks where the teacher looks. Whole steps are CUDA graphs, so the recurrence costs no Python.

With the frames before it at hand, a decoder needs no intonation of its own, and when it is free it drifts to a flat
one. So a share of the steps read no frames (--lost), harmonics weigh more (--low), and two linear maps that are thrown
away afterwards have to read each symbol's pitch from the encoder's states and from the decoder's (--pitch).

Writes out/<model>.safetensors (16-bit moving average of the weights, public names).
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from lib import tacotron
from lib.losses import Ssim
from lib.recurrent import attention_faults, length_mask
from lib.tacotron import Tacotron
from lib.tacotron2 import Tacotron2
from lib.training import CUDA, DEVICE, EMA, Buckets, Corpus, Graphed, cosine, half, log, set_lr, state_of

HELD_BACK = 250  # these and heldout.txt are the 300 sentences whose attention is checked
END_STEPS = 3  # decoder steps behind the end that the training sees
FLOOR = tacotron.FLOOR
N_LOW = 27  # mel bins below 1 kHz, where the harmonics lie apart


class Task:
    """A model, its mels and its losses."""

    def __init__(self, name, stats, r, noise=0.0, lost=0.0, low=1.0, pitch=0.0):
        self.name, self.noise, self.lost, self.pitch = name, noise, lost, pitch
        mean, self.std = torch.tensor(stats["mel_mean"], device=DEVICE), stats["mel_std"]
        self.model = (Tacotron2(r=r) if name == "tacotron2" else Tacotron(r=r)).to(DEVICE)
        if name == "tacotron2":
            self.scale, self.model_mean = 1.0, mean
        else:
            self.scale, self.model_mean = tacotron.DB / -tacotron.MIN_LEVEL_DB, tacotron.normalize(mean)
        self.model.start_at(self.model_mean, self.std * self.scale)
        self.ssim = Ssim(DEVICE)
        self.bins = torch.ones(80, device=DEVICE)
        self.bins[:N_LOW] = low
        sizes = (self.model.decoder.memory_size, self.model.decoder.state_size)
        self.pitch_heads = torch.nn.ModuleList(torch.nn.Linear(n, 1) for n in sizes).to(DEVICE)
        self.gate_weight = torch.tensor(5.0, device=DEVICE)  # few steps are last ones

    def mel_with_end(self, mel, n_frames):
        """ln mels (B, T, 80) -> the model's mels, with floor or end marker behind each item's last frame."""
        r, t = self.model.r, mel.shape[1]
        mel = F.pad(mel, (0, 0, 0, -(-(t + END_STEPS * r) // r) * r - t))
        behind = lambda n: length_mask(n, mel.shape[1])[..., None] == 0
        mel = mel.masked_fill(behind(n_frames), FLOOR)
        if self.name == "tacotron2":
            return mel
        return tacotron.normalize(mel).masked_fill(behind(-(-n_frames // r) * r), 0.0)

    def pitch_errors(self, o, pitch):
        """Mean squares over voiced symbols, read from the encoder, and over voiced steps, read from the decoder."""
        voiced = (pitch != 0).float()
        of_symbol = ((self.pitch_heads[0](o["memory"])[..., 0] - pitch) ** 2 * voiced).sum() / voiced.sum().clamp_min(1)
        share = (o["target"] @ voiced[..., None])[..., 0]
        wanted = (o["target"] @ pitch[..., None])[..., 0] / share.clamp_min(1e-3)
        voiced = (share > 0.5).float()
        return of_symbol, ((self.pitch_heads[1](o["state"])[..., 0] - wanted) ** 2 * voiced).sum() / voiced.sum().clamp_min(1)

    def losses(self, x, lengths, durations, pitch, energy, mel, forced):
        r, n_frames = self.model.r, durations.sum(1)
        mel = self.mel_with_end(mel, n_frames)
        fed = dict(noise=self.noise * self.std * self.scale, lost=self.lost, blank=self.model_mean) if self.model.training else {}
        o = self.model(x, lengths, durations, mel, forced, **fed)
        n_steps = -(-n_frames // r)
        heard = length_mask(n_steps * r, mel.shape[1])
        trained = heard if self.name == "tacotron2" else length_mask((n_steps + END_STEPS) * r, mel.shape[1])
        refined = heard if self.name == "tacotron2" else length_mask((n_steps + 1) * r, mel.shape[1])

        def distance(y, mask):
            d = (y - mel) / (self.std * self.scale)
            return ((d.abs() + 0.5 * d * d) * self.bins * mask[..., None]).sum() / (mask.sum() * mel.shape[2])

        unit = lambda y: ((y - self.model_mean) / (self.std * self.scale) + 3) / 6
        in_sentence = length_mask(n_steps, o["target"].shape[1])
        out = dict(pre=distance(o["pre"], trained), post=distance(o["post"], refined),
                   ssim=self.ssim(unit(o["post"]), unit(mel), heard[..., None]),
                   attention=-((o["target"] * o["log_attention"]).sum(2) * in_sentence).sum() / in_sentence.sum())
        out["pitch"], out["pitch_heard"] = self.pitch_errors(o, pitch)
        if "gate" in o:
            steps = torch.arange(o["gate"].shape[1], device=DEVICE)[None]
            last = (steps >= n_steps[:, None] - 1).float()
            seen = (steps < n_steps[:, None] + END_STEPS).float()
            each = F.binary_cross_entropy_with_logits(o["gate"], last, pos_weight=self.gate_weight, reduction="none")
            out["gate"] = (each * seen).sum() / seen.sum()
        with torch.no_grad():
            out["l1"] = ((o["post"] - mel).abs() * heard[..., None]).sum() / (heard.sum() * mel.shape[2] * self.std * self.scale)
        return out

    def total(self, l):
        return (l["pre"] + l["post"] + 0.5 * l["ssim"] + 0.3 * l["attention"] + 0.1 * l.get("gate", 0.0)
                + self.pitch * (l["pitch"] + l["pitch_heard"]))


@torch.no_grad()
def settle_batch_norms(task, corpus, frames, n=60):
    """Batch statistics anew, for the weights as they are now: averaged over n batches, mels forced and attention free."""
    norms = [m for m in task.model.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    task.model.train()
    batches = corpus.batches(frames, corpus.train)
    for i in torch.randperm(len(batches), generator=torch.Generator().manual_seed(0))[:n].tolist():
        batch = corpus.get(batches[i])
        task.losses(*batch, torch.zeros(len(batches[i]), dtype=torch.bool, device=DEVICE))
    task.model.eval()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", choices=("tacotron", "tacotron2"), required=True)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--stop", type=int, default=10 ** 9, help="end after this step of the schedule")
    ap.add_argument("--start", type=Path, help="go on from these tensors, the attention free from the first step")
    ap.add_argument("--r", type=int, help="frames a decoder step (2 for Tacotron 2, 3 for Tacotron)")
    ap.add_argument("--frames", type=int, default=24000, help="padded frames a step")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--noise", type=float, default=0.1, help="added to the frames fed back, in deviations of the mel")
    ap.add_argument("--lost", type=float, default=0.15, help="share of the steps that read no frames")
    ap.add_argument("--low", type=float, default=2.0, help="weight of the mel bins below 1 kHz")
    ap.add_argument("--pitch", type=float, default=0.2, help="weight of the pitch read from the states")
    ap.add_argument("--free-from", type=float, default=0.1, help="share of the steps after which attentions are let free")
    ap.add_argument("--free-by", type=float, default=0.35, help="share of the steps after which all are free")
    ap.add_argument("--check", type=int, default=500, help="steps between validations")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)

    corpus = Corpus(a.corpus, validation=HELD_BACK)
    task = Task(a.model, corpus.stats, a.r or (2 if a.model == "tacotron2" else 3), a.noise, a.lost, a.low, a.pitch)
    model = task.model
    if a.start:
        model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(str(a.start)).items()})
    print(a.model, "parameters", sum(p.numel() for p in model.parameters()), flush=True)
    trained = [*model.parameters(), *task.pitch_heads.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=torch.tensor(a.lr, device=DEVICE) if CUDA else a.lr, betas=(0.9, 0.99),
                                  eps=1e-6, weight_decay=1e-6, fused=CUDA, capturable=CUDA)
    ema = EMA(model)
    buckets = Buckets(corpus, a.frames, generator=torch.Generator().manual_seed(a.seed))
    print("buckets", [b[1:] for b in buckets.buckets], flush=True)

    def train_step(*batch):
        l = task.losses(*batch)
        optimizer.zero_grad(set_to_none=not CUDA)
        task.total(l).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0, foreach=True)
        optimizer.step()
        return {k: v.detach() for k, v in l.items()}

    def validate(n=48):
        """Losses with the attention free but the mels forced, and the share of sentences that fail when all is free."""
        live = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(state_of(model, ema))
        model.eval()
        sums, batches = {}, corpus.batches(2 * a.frames, corpus.val)
        with torch.no_grad():
            for idx in batches:
                free = torch.zeros(len(idx), dtype=torch.bool, device=DEVICE)
                for k, v in task.losses(*corpus.get(idx), free).items():
                    sums[k] = sums.get(k, 0.0) + float(v) / len(batches)
            sentences = [corpus.sentence(i) for i in corpus.val[:n].tolist()]
            faults = [attention_faults(w, torch.as_tensor(s, device=DEVICE) >= 10, stopped, model.r * 256 / 22050)
                      for s, (_, w, stopped) in zip(sentences, model.infer(sentences))]
        sums["failed"] = sum(map(bool, faults)) / len(faults)
        model.load_state_dict(live)
        model.train()
        return sums

    path = a.out / f"{a.model}.safetensors"
    step_fn, step, start, last = Graphed(train_step), 0, time.time(), min(a.steps, a.stop)
    model.train()
    while step < last:
        for key, idx, n, t in buckets.epoch():
            share = step / a.steps
            looks = min(1.0, max(0.0, (a.free_by - share) / (a.free_by - a.free_from)))
            forced = torch.rand(len(idx), device=DEVICE) < (0.0 if a.start else looks)
            set_lr(optimizer, a.lr * cosine(step, a.steps, 0.03 * a.steps, 0.02))
            l = step_fn(key, corpus.get(idx, n, t) + [forced])
            ema.update()
            step += 1
            if step % 10 == 0 and CUDA:
                torch.cuda.synchronize()
            if step in (20, 100):
                log(model=a.model, step=step, seconds=time.time() - start, train={k: round(float(v), 4) for k, v in l.items()})
            if step % a.check == 0 or step == last:
                log(model=a.model, step=step, seconds=time.time() - start, steps_per_s=step / (time.time() - start),
                    train={k: round(float(v), 4) for k, v in l.items()}, val={k: round(v, 4) for k, v in validate().items()})
                save_file(half(state_of(model, ema)), str(path) + ".part")
                Path(str(path) + ".part").rename(path)
            if step == last:
                break

    # the shipped weights are averages that the running statistics do not belong to
    model.load_state_dict(state_of(model, ema))
    settle_batch_norms(task, corpus, a.frames)
    save_file(half(model.state_dict()), str(path))


if __name__ == "__main__":
    main()
