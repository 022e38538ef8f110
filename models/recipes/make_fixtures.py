"""Write the test fixtures that tie the Rust implementation to this one.

    python make_fixtures.py --packed packed --piper-config en_US-joe-medium.onnx.json

tests/fixtures/voice/parity.safetensors      one sentence through the shipped models, computed in 32 bits
tests/fixtures/front_end/symbols.json        60 sentences and the symbols of lib/frontend.py
tests/fixtures/copy_synthesis/*              three short waves of the teacher with their ln mels

Without --piper-config the teacher's waves and mels stay as they are, and only the vocoder speaks anew.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from evaluate import write_wav
from lib import melspec, teacher
from lib.fastspeech2 import FastSpeech2
from lib.frontend import SYMBOL_ID, SYMBOLS, teacher_ids, text_to_symbols
from lib.hifigan import load_public

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARITY_TEXT = "Good evening, and welcome to the studio."
COPIED = {1: "We should leave now.", 2: "Is the river cold?", 3: "Seven green apples."}
EXTRA_TEXTS = """The owl, the elm and the apple.
Give it to me, and go to Ann.
He looked at the end into an open box.
What is it? It is for you!
Where are you from?
I'm sure it's the one I've seen; I'll ask.
The boss's office, the cat's tail, the bush's leaves.
The students' books and the Joneses' dog.
A well-known, state-of-the-art device.
She said "never again" (and meant it).
Stop... now!! Really?!
Wait -- not yet; then: go.
Zyxwv and blorptang met Grommelwick near Fizzlebottom.
The unfathomableness of thoughtlessly googling.
The rebooting server; a hashless, vexful mind.
Water, butter, later, thirty, forty; button and mitten.
Fire, hour, flower, our, power.
The bird heard a word; her early germ.
Measure the beige garage with pleasure.
Oil, boys, and noise annoy.
Through thick and thin, this and that.
One, two, three, four, five, six, seven, eight, nine, ten.
Piper reads onnx models.
To be or not to be, that is the question.
It was him, not them, who told us.
"Yes," he said, "that's it."
O'Hare and o'clock.
a
The
Nineteen ninety-five was, by all accounts, a remarkable year.
Hello, world.
Colonel, choir, quay, debris, yacht.
Can you do so? I could, but would you?
Five dollars and twenty-five cents.
Doctor Watson met Mister Holmes on Saint James Street.""".splitlines()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--packed", type=Path, help="with --piper-config")
    ap.add_argument("--piper-config", type=Path, help="en_US-joe-medium.onnx.json")
    a = ap.parse_args()
    fixtures = ROOT / "tests/fixtures"
    for name in ("voice", "front_end", "copy_synthesis"):
        (fixtures / name).mkdir(parents=True, exist_ok=True)

    # front end
    heldout = (HERE / "heldout.txt").read_text().splitlines()
    texts = EXTRA_TEXTS + heldout[::2]
    texts = texts[:60]
    (fixtures / "front_end/symbols.json").write_text(json.dumps(
        dict(origin="models/recipes/lib/frontend.py, text_to_symbols", symbols=SYMBOLS,
             sentences=[dict(text=t, symbols=text_to_symbols(t)[0]) for t in texts]), ensure_ascii=False, indent=1) + "\n")

    # parity
    symbols, _ = text_to_symbols(PARITY_TEXT)
    ids = torch.tensor([SYMBOL_ID[s] for s in symbols])
    acoustic = FastSpeech2.from_state(load_file(str(ROOT / "models/joe-fastspeech2/model.safetensors")))
    vocoder = load_public(load_file(str(ROOT / "models/joe-hifigan/model.safetensors")))
    out = acoustic.infer(ids)
    with torch.no_grad():
        out["wave"] = vocoder(out["mel_post"].T[None])[0]
    frames = torch.expm1(out["log_durations"]).clamp_min(0)
    print("frames", int(out["durations"].sum()), "closest duration to a whole number", float((frames - frames.round()).abs().min()))
    save_file({"ids": ids, **{k: v.contiguous() for k, v in out.items()}}, str(fixtures / "voice/parity.safetensors"),
              metadata={"text": PARITY_TEXT})

    # copy synthesis
    def save_copy(k, text, mel):
        with torch.no_grad():
            wave = vocoder(mel[None])[0]
        save_file({"mel": mel.contiguous(), "vocoded": wave.contiguous()}, str(fixtures / f"copy_synthesis/{k}.safetensors"), metadata={"text": text})
        print(text, "copy mel L1", float((melspec.mel(wave[None])[0] - mel).abs().mean()))

    if not a.piper_config:
        for k, text in COPIED.items():
            save_copy(k, text, load_file(str(fixtures / f"copy_synthesis/{k}.safetensors"))["mel"])
        return
    id_map = json.loads(a.piper_config.read_text())["phoneme_id_map"]
    voice = teacher.Vits({k: torch.from_numpy(v.astype(np.float32)) for k, v in np.load(a.packed / "teacher.npz").items()}).eval()
    torch.manual_seed(7)
    for k, text in COPIED.items():
        tokens = torch.tensor(teacher_ids(text_to_symbols(text)[0], id_map)[0])[None]
        y = voice(tokens, torch.tensor([tokens.shape[1]]), 0.333, 0.3, 1.0)[0]
        y16 = (y[0].clamp(-1, 1) * 32767).round().to(torch.int16)
        write_wav(fixtures / f"copy_synthesis/{k}.wav", y16.numpy() / 32767)
        save_copy(k, text, melspec.mel(y16.float()[None] / 32768)[0])


if __name__ == "__main__":
    main()
