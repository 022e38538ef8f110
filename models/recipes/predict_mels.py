"""Write a trained model's mels of the whole corpus, for the vocoder to train on.

    python predict_mels.py --model out/tacotron2.safetensors --corpus corpus --name tacotron2

Writes corpus/gta_NAME.npy. The mels keep the teacher's time: Tacotrons are fed the teacher's mels, and Matcha
takes the second half of its way only, from the teacher's mel with half of the noise, since its own intonation
would not be the wave's.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from lib import tacotron
from lib.matcha import Frames, Matcha
from lib.fastspeech2 import expand
from lib.training import DEVICE, Corpus
from lib.voices import architecture
from train_tacotron import Task

TEMPERATURE = 0.667  # at which Matcha speaks


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", type=Path, required=True)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--name", required=True)
    ap.add_argument("--frames", type=int, default=60000)
    a = ap.parse_args()
    torch.manual_seed(5)
    start, corpus, state = time.time(), Corpus(a.corpus), load_file(str(a.model))
    model = architecture(state).from_state(state).to(DEVICE)

    def matcha(x, lengths, durations, mel):
        t = -(-mel.shape[1] // 4) * 4
        target = torch.nn.functional.pad((mel - model.mel_mean) / model.mel_std, (0, 0, 0, t - mel.shape[1])).transpose(1, 2)
        _, mu, _, _ = model.encoder(x, lengths)
        frames = Frames.of(durations.sum(1), t)
        mu = expand(mu.transpose(1, 2), durations, t).transpose(1, 2) * frames.valid
        y = model.flow(mu, frames, 0.5 * TEMPERATURE * torch.randn_like(target) + 0.5 * target, 2, start=0.5)
        return y.transpose(1, 2) * model.mel_std + model.mel_mean

    def taco(x, lengths, durations, mel):
        mel = task.mel_with_end(mel, durations.sum(1))
        free = torch.zeros(len(x), dtype=torch.bool, device=DEVICE)
        y = model(x, lengths, durations, mel, free)["post"]
        return tacotron.denormalize(y) if task.name == "tacotron" else y

    if isinstance(model, Matcha):
        predict = matcha
    else:
        task = Task("tacotron" if isinstance(model, tacotron.Tacotron) else "tacotron2", corpus.stats, model.r)
        task.model, predict = model, taco
    offsets = corpus.frame_offsets.cpu().numpy()
    out = np.zeros((int(offsets[-1]), 80), np.float16)
    with torch.no_grad():
        for idx in corpus.batches(a.frames, torch.arange(corpus.n)):
            x, lengths, durations, _, _, mel = corpus.get(idx)
            y = predict(x, lengths, durations, mel).half().cpu().numpy()
            for r, k in enumerate(idx.tolist()):
                out[offsets[k]:offsets[k + 1]] = y[r, :offsets[k + 1] - offsets[k]]
    part = a.corpus / f"part_{a.name}.npy"
    np.save(part, out)
    part.rename(a.corpus / f"gta_{a.name}.npy")
    print("mels of", a.name, "written,", round(time.time() - start, 1), "s", flush=True)


if __name__ == "__main__":
    main()
