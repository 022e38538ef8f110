"""Speak the lines of a text file, or copy waves, with the shipped models in torch (reference for the application).

    python synthesize.py --text heldout.txt --out wavs
    python synthesize.py --text heldout.txt --out wavs --voice joe-matcha:steps=10
    python synthesize.py --copy teacher_wavs --out copied

Lines become 000.wav, 001.wav, ...; copied waves keep their names. Options of voices: lib/voices.py.
"""

import argparse
import wave
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from evaluate import write_wav
from lib import melspec
from lib.frontend import SYMBOL_ID, text_to_symbols
from lib.hifigan import load_public
from lib.voices import Voice

MODELS = Path(__file__).resolve().parents[1]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--text", type=Path)
    ap.add_argument("--copy", type=Path)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--voice", default="joe-fastspeech2", help="folder under models, with options behind colons")
    ap.add_argument("--seed", type=int, default=0, help="of voices that draw noise")
    ap.add_argument("--models", type=Path, default=MODELS)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    folder, *options = a.voice.split(":")
    acoustic = Voice(":".join([str(a.models / folder / "model.safetensors"), *options]), "cpu")
    torch.manual_seed(a.seed)
    vocoder = load_public(load_file(str(a.models / "joe-hifigan/model.safetensors")))
    with torch.no_grad():
        for i, line in enumerate(a.text.read_text().splitlines() if a.text else []):
            mel = acoustic.mels([torch.tensor([SYMBOL_ID[s] for s in text_to_symbols(line)[0]])])[0][0]
            write_wav(a.out / f"{i:03d}.wav", vocoder(mel.T[None])[0].numpy())
        for path in sorted(a.copy.glob("*.wav")) if a.copy else []:
            with wave.open(str(path)) as f:
                y = np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32768
            write_wav(a.out / path.name, vocoder(melspec.mel(torch.from_numpy(y)[None]))[0].numpy())


if __name__ == "__main__":
    main()
