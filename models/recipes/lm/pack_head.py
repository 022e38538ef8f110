"""Packs a trained head (`layer.npz`, `output.npz`, `config.json` of train_head.py) in the published layout, in half precision.

    python pack_head.py --trained head --out smollm2-135m-eagle3

Names as in SafeAILab/EAGLE and SpecForge; `t2d` marks the tokens of the target that the head can draft, for programs that ask for it.
"""

import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

VOCABULARY = 49152

if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["trained", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    a = arguments.parse_args()
    tensors = {}
    for part in ["layer", "output"]:
        with np.load(a.trained / f"{part}.npz") as file:
            tensors |= {name: np.ascontiguousarray(file[name]) for name in file}
    tensors["t2d"] = np.zeros(VOCABULARY, bool)
    tensors["t2d"][np.arange(len(tensors["d2t"])) + tensors["d2t"]] = True
    assert tensors["t2d"].sum() == len(tensors["d2t"]) == len(tensors["lm_head.weight"])
    a.out.mkdir(parents=True, exist_ok=True)
    file = a.out / "model.safetensors"
    save_file(tensors, file, {"format": "pt"})
    shutil.copyfile(a.trained / "config.json", a.out / "config.json")
    for path in [file, a.out / "config.json"]:
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    print(sum(t.size for name, t in tensors.items() if t.dtype == np.float16), "weights")
