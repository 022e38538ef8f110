"""Check lib/fastspeech2.py against reference tensors made with SpeechBrain itself.

    python check_fastspeech2.py FOLDER      (FOLDER holds model.safetensors and io.npz)

and check that a padded batch gives each item what the item gets alone.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from lib.fastspeech2 import FastSpeech2


def main(folder):
    state = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.startswith("spn_predictor.")}
    model = FastSpeech2.from_state(state)
    io = np.load(folder / "io.npz")
    worst = 0.0
    for tag, rates in (("single", (1.0, 1.0, 1.0)), ("pace", (1.37, 1.2, 0.8))):
        out = model.infer(io[f"{tag}.tokens"][0], *rates)
        assert (out["durations"].numpy() == io[f"{tag}.durations_frames"].reshape(-1)).all()
        for ours, theirs in (("log_durations", "log_durations"), ("pitch", "pitch"), ("energy", "energy"),
                             ("mel_pre", "mel_pre"), ("mel_post", "mel_post")):
            worst = max(worst, float(np.abs(out[ours].numpy().reshape(-1) - io[f"{tag}.{theirs}"].reshape(-1)).max()))
    print("largest difference from SpeechBrain", worst)
    assert worst < 1e-4

    torch.manual_seed(0)
    lengths = torch.tensor([12, 9, 5])
    x = torch.randint(1, 40, (3, 12)) * (torch.arange(12)[None] < lengths[:, None])
    d = torch.randint(1, 5, (3, 12)) * (x > 0)
    p, e = torch.randn(3, 12), torch.randn(3, 12)
    with torch.no_grad():
        both = model(x, lengths, d, p, e, int(d.sum(1).max()) + 7)
        for i, n in enumerate(lengths.tolist()):
            one = model(x[i:i + 1, :n], lengths[i:i + 1], d[i:i + 1, :n], p[i:i + 1, :n], e[i:i + 1, :n], int(d[i].sum()))
            diff = (both["post"][i, :one["post"].shape[1]] - one["post"][0]).abs().max()
            diff = max(float(diff), float((both["energy"][i, :n] - one["energy"][0]).abs().max()))
            print("item", i, "batched minus alone", diff)
            assert diff < 1e-4


if __name__ == "__main__":
    main(Path(sys.argv[1]))
