"""Train Matcha-TTS on the generated corpus, with the teacher's durations in place of an alignment search.

    python train_matcha.py --corpus corpus --out out --steps 6000

Writes out/matcha.safetensors (16-bit moving average of the weights, public names).
"""

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lib.matcha import Matcha
from lib.training import CUDA, DEVICE, EMA, Buckets, Corpus, Graphed, cosine, half, log, set_lr, state_of


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--start", type=Path, help="go on from these tensors")
    ap.add_argument("--frames", type=int, default=20000, help="padded frames a step")
    ap.add_argument("--lr", type=float, default=8e-4)
    ap.add_argument("--pitch", type=float, default=0.1, help="weight of the pitch read from the encoder's states")
    ap.add_argument("--check", type=int, default=1000, help="steps between validations")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)

    corpus = Corpus(a.corpus)
    model = Matcha().to(DEVICE)
    # rounded to 16 bits now, so that the exported values are those trained with
    model.mel_mean.fill_(torch.tensor(sum(corpus.stats["mel_mean"]) / 80).half().item())
    model.mel_std.fill_(torch.tensor(corpus.stats["mel_std"]).half().item())
    if a.start:
        model.load_state_dict({k: v.float() for k, v in load_file(str(a.start)).items()})
    print("matcha parameters", sum(p.numel() for p in model.parameters()), flush=True)
    pitch_head = torch.nn.Linear(model.encoder.emb.embedding_dim, 1).to(DEVICE)  # keeps pitch in the encoder's states; not saved
    trained = [*model.parameters(), *pitch_head.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=torch.tensor(a.lr, device=DEVICE) if CUDA else a.lr, betas=(0.9, 0.99),
                                  weight_decay=0.0, fused=CUDA, capturable=CUDA)
    ema = EMA(model)
    buckets = Buckets(corpus, a.frames, generator=torch.Generator().manual_seed(a.seed))
    print("buckets", [b[1:] for b in buckets.buckets], flush=True)

    def losses(x, lengths, durations, pitch, energy, mel):
        with torch.autocast(DEVICE.split(":")[0], torch.bfloat16, enabled=CUDA, cache_enabled=False):
            return model(x, lengths, durations, mel, pitch, pitch_head)

    def train_step(*batch):
        l = losses(*batch)
        optimizer.zero_grad(set_to_none=not CUDA)
        (l["flow"] + l["prior"] + l["duration"] + a.pitch * l["pitch"]).backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0, foreach=True)
        optimizer.step()
        return {k: v.detach() for k, v in l.items()}

    def validate():
        live = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(state_of(model, ema))
        model.eval()
        sums, batches = {}, corpus.batches(a.frames, corpus.val)
        with torch.no_grad():
            for idx in batches:
                t = -(-int(corpus.n_frames_cpu[idx].max()) // 16) * 16
                for k, v in losses(*corpus.get(idx, t=t)).items():
                    sums[k] = sums.get(k, 0.0) + float(v) / len(batches)
        model.load_state_dict(live)
        model.train()
        return sums

    path = a.out / "matcha.safetensors"
    step_fn, step, start = Graphed(train_step), 0, time.time()
    model.train()
    while step < a.steps:
        for key, idx, n, t in buckets.epoch():
            set_lr(optimizer, a.lr * cosine(step, a.steps, 0.03 * a.steps, 0.02))
            l = step_fn(key, corpus.get(idx, n, t))
            ema.update()
            step += 1
            if step % 10 == 0 and CUDA:
                torch.cuda.synchronize()
            if step % a.check == 0 or step in (20, 200) or step == a.steps:
                log(matcha=step, seconds=time.time() - start, steps_per_s=step / (time.time() - start),
                    train={k: round(float(v), 4) for k, v in l.items()}, val={k: round(v, 4) for k, v in validate().items()})
                save_file(half(state_of(model, ema)), str(path) + ".part")
                Path(str(path) + ".part").rename(path)
            if step == a.steps:
                break


if __name__ == "__main__":
    main()
