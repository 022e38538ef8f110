"""Makes tests/fixtures/lm/sentencepiece.json: a small SentencePiece vocabulary, and the ids of texts.

    python -m venv v && v/bin/pip install sentencepiece tokenizers
    v/bin/python scripts/make_sentencepiece_fixture.py tests/fixtures/lm/sentencepiece.json

The vocabulary is trained as Llama's was: byte-pair encoding, bytes for what has no piece, no
normalization but a space before the first word, digits apart. Each text's ids are those of
`sentencepiece` itself. The same vocabulary is also written as a `tokenizer.json` the way Hugging Face
converts it (a merge for each way to make a piece of two, in the order of the scores), with the ids that
`tokenizers` gives.
"""

import io
import json
import pathlib
import random
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

TEXT = """From fairest creatures we desire increase, that thereby beauty's rose might never die.
The lighthouse at Cape Wrath was built in 1828 by Robert Stevenson. It stands 400 feet above the sea.
A formant is a peak in the spectrum of a voice; the first two tell one vowel from another.
Keepers lived there until 1998, and the sea, the sea, the sea was all they saw. naïve café
Shall I compare thee to a summer's day? Thou art more lovely and more temperate.
def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)""".splitlines()

TEXTS = [
    "Hello world", "Hello, world! 12345\n\n  It's", "naïve café — ✓", "", " ", "  two  spaces ", "the sea\n",
    "<0x41> and so on", "日本語 🙂 مرحبا", "▁already▁there", "\t\ttabs", "<mark>the sea<mark> saw", "seasea" * 20,
    "Shall I compare thee to a summer's day?\n",
]


def texts():
    rng = random.Random(5)
    words = " ".join(TEXT).split()
    odd = ["✓", "🙂", "é", "  ", "\n", "1998", "ß", "語", "<0x", "\u00a0", "\u200d", "aaaa", "…"]
    for _ in range(60):
        pieces = [rng.choice(words if rng.random() < 0.7 else odd) for _ in range(rng.randint(1, 12))]
        TEXTS.append(rng.choice([" ", "", "  "]).join(pieces))
    return TEXTS


def main(path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=model, model_type="bpe", vocab_size=420, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, character_coverage=0.99, user_defined_symbols=["<mark>"], minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    pieces = [{"text": p.piece, "score": p.score, "kind": p.type} for p in proto.pieces]

    vocab = {p.piece: i for i, p in enumerate(proto.pieces)}
    merges = []
    for p in proto.pieces:
        if p.type != 1:
            continue
        for cut in range(1, len(p.piece)):
            left, right = p.piece[:cut], p.piece[cut:]
            if left in vocab and right in vocab:
                merges.append((-p.score, vocab[left], vocab[right], left, right))
    merges = [(left, right) for *_, left, right in sorted(merges)]
    rules = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    rules.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    rules.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    rules.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in ["<unk>", "<s>", "</s>"]])

    cases = []
    for text in texts():
        ids = processor.encode(text)
        cases.append({"text": text, "ids": ids, "by_rules": rules.encode(text, add_special_tokens=False).ids})
    differing = sum(case["ids"] != case["by_rules"] for case in cases)
    print(f"{len(pieces)} pieces, {len(cases)} texts; tokenizers differs from sentencepiece on {differing}")
    fixture = {"pieces": pieces, "cases": cases, "tokenizer": json.loads(rules.to_str())}
    path.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")


main(pathlib.Path(sys.argv[1]))
