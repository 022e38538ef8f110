"""Count sentences whose attention fails when both Tacotrons run free: 50 held-out ones and 250 of the corpus that training left out.

    python check_attention.py --packed packed --corpus corpus --out attention.json out/tacotron2.safetensors ...

Each model runs with and without the forward window, once with each seed. What counts as a failure: see
lib/recurrent.py, attention_faults.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from lib.frontend import SYMBOLS
from lib.recurrent import attention_faults
from lib.training import DEVICE, Corpus
from lib.voices import Voice
from train_tacotron import HELD_BACK

FIRST_SOUND = SYMBOLS.index("AA0")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--packed", type=Path, required=True)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seeds", type=int, default=1)
    ap.add_argument("models", nargs="+")
    a = ap.parse_args()
    z = np.load(a.packed / "heldout.npz")
    offsets = z["symbol_offsets"]
    sentences = [torch.from_numpy(z["symbols"][i:j].astype(np.int64)) for i, j in zip(offsets[:-1], offsets[1:])]
    corpus = Corpus(a.corpus, validation=HELD_BACK)
    sentences += [corpus.sentence(i).cpu() for i in corpus.val.tolist()]
    results = {}
    for model in a.models:
        for window in (0, 1):
            voice, kinds, failed = Voice(f"{model}:window={window}", DEVICE), Counter(), []
            for seed in range(a.seeds):
                torch.manual_seed(100 + seed)
                for b in range(0, len(sentences), 100):
                    part = sentences[b:b + 100]
                    for i, (ids, (alignment, stopped)) in enumerate(zip(part, voice.mels(part)[1])):
                        faults = attention_faults(alignment.cpu(), ids >= FIRST_SOUND, stopped, voice.model.r * 256 / 22050)
                        kinds.update(faults)
                        if faults:
                            failed.append((b + i, faults))
            name = f"{Path(model).stem}{'+window' if window else ''}"
            results[name] = dict(sentences=len(sentences) * a.seeds, failed=len(failed),
                                 percent=round(100 * len(failed) / len(sentences) / a.seeds, 2), kinds=dict(kinds))
            print(name, json.dumps(results[name]), failed[:12], flush=True)
    a.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
