"""Normalised English text -> the voice's 79 symbols (ARPAbet with stress, space, punctuation).

Words come from the CMU dictionary (assets/cmudict.dict.gz), function words from a list of weak forms,
everything else from simple suffix rules or the g2p_en network (models/g2p-en). Numbers and abbreviations
must be spelled out already; `spell_number`, `spell_ordinal` and `spell_year` are used by the scorer.
"""

import functools
import gzip
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]

VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()
PUNCTUATION = [",", ".", "?", "!", ";", ":"]
SYMBOLS = ["_", "^", "$", " "] + PUNCTUATION + [v + s for v in VOWELS for s in "012"] + CONSONANTS
SYMBOL_ID = {s: i for i, s in enumerate(SYMBOLS)}

# function words, unstressed as in running speech (the dictionary marks them stressed)
WEAK = {
    "a": "AH0", "an": "AE0 N", "the": "DH AH0", "to": "T AH0", "of": "AH0 V", "and": "AE0 N D", "for": "F AO0 R",
    "from": "F R AH0 M", "was": "W AH0 Z", "were": "W ER0", "are": "AA0 R", "is": "IH0 Z", "am": "AE0 M", "be": "B IY0",
    "been": "B IH0 N", "in": "IH0 N", "on": "AA0 N", "at": "AE0 T", "as": "AE0 Z", "by": "B AY2", "with": "W IH0 DH",
    "or": "AO0 R", "if": "IH0 F", "it": "IH0 T", "its": "IH0 T S", "he": "HH IY0", "she": "SH IY0", "we": "W IY0",
    "me": "M IY0", "you": "Y UW0", "your": "Y AO0 R", "his": "HH IH0 Z", "her": "HH ER0", "him": "HH IH0 M",
    "them": "DH EH0 M", "they": "DH EY2", "their": "DH EH0 R", "our": "AW2 ER0", "us": "AH0 S", "my": "M AY2", "i": "AY2",
    "has": "HH AE0 Z", "had": "HH AE0 D", "have": "HH AE0 V", "do": "D UW2", "does": "D AH0 Z", "can": "K AE0 N",
    "could": "K UH0 D", "would": "W UH0 D", "should": "SH UH0 D", "will": "W IH0 L", "shall": "SH AE0 L", "may": "M EY2",
    "might": "M AY2 T", "must": "M AH2 S T", "but": "B AH2 T", "than": "DH AE0 N", "that": "DH AE2 T", "this": "DH IH2 S",
    "so": "S OW2", "nor": "N AO0 R", "who": "HH UW2", "which": "W IH2 CH", "when": "W EH2 N", "some": "S AH2 M",
    "into": "IH2 N T AH0", "there": "DH EH2 R", "i'm": "AY2 M", "i'll": "AY2 L", "i've": "AY2 V", "it's": "IH2 T S",
}
EXTRA = {"piper": "P AY1 P ER0", "onnx": "AA1 N IH0 K S"}
# before punctuation these take their dictionary form ...
FINAL_FULL = set("in on to is was are do does have has had can could would should will be been me him her us them you it i he "
                 "she we they for from of at with by so that this there who am were may might must".split())
# ... and these with a secondary instead of a primary stress
FINAL_SECONDARY = {"it", "him", "her", "them", "me", "us", "you"}
SUFFIXES = (("ly", "L IY0"), ("ness", "N AH0 S"), ("less", "L AH0 S"), ("ing", "IH0 NG"), ("ful", "F AH0 L"))


@functools.lru_cache(1)
def dictionary():
    """word -> first pronunciation"""
    out = {}
    with gzip.open(ROOT / "assets/cmudict.dict.gz", "rt", encoding="utf-8") as f:
        for line in f:
            word, *phones = line.split()
            out.setdefault(re.sub(r"\(\d+\)$", "", word), phones)
    return out


class LetterToSound:
    """g2p_en's GRU encoder-decoder, greedy."""

    def __init__(self):
        import tomllib

        from safetensors.numpy import load_file

        folder = ROOT / "models/g2p-en"
        conf = tomllib.loads((folder / "model.toml").read_text())
        self.w = {k: v.astype(np.float32) for k, v in load_file(folder / "model.safetensors").items()}
        self.graphemes = {g: i for i, g in enumerate(conf["graphemes"])}
        self.phonemes, self.limit = conf["phonemes"], conf["max_phonemes"]

    def _step(self, part, x, h):
        a = self.w[part + "_w_ih"] @ x + self.w[part + "_b_ih"]
        b = self.w[part + "_w_hh"] @ h + self.w[part + "_b_hh"]
        n, sigmoid = len(h), lambda t: 1 / (1 + np.exp(-t))
        r, z = sigmoid(a[:n] + b[:n]), sigmoid(a[n:2 * n] + b[n:2 * n])
        return (1 - z) * np.tanh(a[2 * n:] + r * b[2 * n:]) + z * h

    def __call__(self, word):
        h = np.zeros(self.w["enc_w_hh"].shape[1], np.float32)
        for letter in list(word) + ["</s>"]:
            h = self._step("enc", self.w["enc_emb"][self.graphemes.get(letter, 1)], h)
        last, out = 2, []
        for _ in range(self.limit):
            h = self._step("dec", self.w["dec_emb"][last], h)
            last = int((self.w["fc_w"] @ h + self.w["fc_b"]).argmax())
            if last == 3:
                break
            out.append(self.phonemes[last])
        return ["UW1" if p == "UW" else p for p in out if p[0] != "<"]


@functools.lru_cache(1)
def letter_to_sound():
    return LetterToSound()


@functools.lru_cache(50000)
def word_phones(word):
    """-> (phones, known without the network)"""
    d = dictionary()
    for table in (EXTRA, WEAK):
        if word in table:
            return tuple(table[word].split()), True
    if word in d:
        return tuple(d[word]), True
    if word.endswith("'s") and word[:-2] in d:
        base = tuple(d[word[:-2]])
        if base[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
            return base + ("IH0", "Z"), True
        return base + (("S",) if base[-1] in ("P", "T", "K", "F", "TH") else ("Z",)), True
    if word.endswith("'") and word[:-1] in d:
        return tuple(d[word[:-1]]), True
    for suffix, phones in SUFFIXES:
        stem = word[:-len(suffix)]
        if word.endswith(suffix) and stem in d and len(stem) > 2:
            return tuple(d[stem]) + tuple(phones.split()), True
    return tuple(letter_to_sound()(re.sub("[^a-z]", "", word))), False


TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*'?|[,.?!;:]")


def text_to_symbols(text):
    """Normalised text -> (list of symbols from `^` to `$`, number of words the dictionary lacks)."""
    text = text.lower().replace("’", "'").replace("—", ", ").replace("--", ", ").replace("-", " ")
    tokens = TOKEN.findall(re.sub(r"[\"“”()\[\]{}]", " ", text))
    n_words = sum(t not in PUNCTUATION for t in tokens)
    out, unknown = ["^"], 0
    for i, token in enumerate(tokens):
        if token in PUNCTUATION:
            if out[-1] not in PUNCTUATION and out[-1] != "^":
                out.append(token)
            continue
        if out[-1] != "^":
            out.append(" ")
        phones, known = word_phones(token if token in dictionary() else token.rstrip("'"))
        phones = list(phones)
        unknown += not known
        following = tokens[i + 1] if i + 1 < len(tokens) else "."
        if following in PUNCTUATION:
            if token in FINAL_FULL:
                phones = list(dictionary().get(token, phones))
                if n_words > 1 and token in FINAL_SECONDARY:
                    phones = [p[:-1] + "2" if p[-1] == "1" else p for p in phones]
        elif token in ("the", "to", "into"):
            first = word_phones(following)[0]
            if first and first[0][:-1] in VOWELS:
                phones = ["DH", "IY0"] if token == "the" else phones[:-1] + ["UW0"]
        out += phones
    if out[-1] not in PUNCTUATION:
        out.append(".")
    return out + ["$"], unknown


# ---- ARPAbet -> the IPA characters that the teacher was trained on

IPA = dict(zip("AA AE AO AW AY EH EY IH IY OW OY UH UW".split(), "ɑː æ ɔː aʊ aɪ ɛ eɪ ɪ iː oʊ ɔɪ ʊ uː".split()))
IPA |= dict(zip(CONSONANTS, "b tʃ d ð f ɡ h dʒ k l m n ŋ p ɹ s ʃ t θ v w j z ʒ".split()))
STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}


def is_vowel(symbol):
    return symbol[-1] in "012"


def symbol_ipa(symbols, i):
    """IPA string for symbol i, with the allophones that the teacher's phonemiser writes."""
    s = symbols[i]
    if s in "^$ " or s in PUNCTUATION:
        return s
    before = symbols[i - 1] if i else "^"
    after = symbols[i + 1] if i + 1 < len(symbols) else "$"
    after2 = symbols[i + 2] if i + 2 < len(symbols) else "$"
    if is_vowel(s):
        base, stress = s[:2], s[2]
        if base == "AH":
            return "ə" if stress == "0" else STRESS[stress] + "ʌ"
        if base == "ER":
            return ("ɚ" if stress == "0" else STRESS[stress] + "ɜː") + ("ɹ" if is_vowel(after) else "")
        if base == "IY" and stress == "0":
            return "i"
        return STRESS[stress] + IPA[base]
    if s == "T" and (is_vowel(before) or before == "R") and is_vowel(after) and after[-1] == "0" \
            and not (after == "AH0" and after2 == "N"):
        return "ɾ"
    return IPA[s]


def teacher_ids(symbols, id_map):
    """-> (teacher token ids, index of the symbol that each token belongs to)"""
    ids, owner = [], []
    for i, s in enumerate(symbols):
        for character in symbol_ipa(symbols, i):
            tokens = id_map[character] + ([0] if s != "$" else [])
            ids += tokens
            owner += [i] * len(tokens)
    return ids, owner


# ---- spelling of numbers, used to compare transcripts

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def spell_number(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + ("" if n % 10 == 0 else "-" + ONES[n % 10])
    if n < 1000:
        rest = "" if n % 100 == 0 else (" and " if n % 3 else " ") + spell_number(n % 100)
        return ONES[n // 100] + " hundred" + rest
    for value, name in ((10 ** 9, "billion"), (10 ** 6, "million"), (1000, "thousand")):
        if n >= value:
            return spell_number(n // value) + " " + name + ("" if n % value == 0 else " " + spell_number(n % value))


def spell_ordinal(n):
    irregular = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
                 "twelve": "twelfth"}
    head, sep, last = re.match(r"(.*?)([ -]?)([a-z]+)$", spell_number(n)).groups()
    return head + sep + (irregular.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th"))


def spell_year(y):
    if 2000 <= y < 2010:
        return "two thousand" + ("" if y == 2000 else " " + spell_number(y - 2000))
    a, b = divmod(y, 100)
    return spell_number(a) + " " + ("hundred" if b == 0 else "oh " + spell_number(b) if b < 10 else spell_number(b))


def words_for_scoring(text):
    """Lower-case words of a reference or a transcript, digits spelled out."""
    n = spell_number
    t = text.lower().replace("’", "'")
    t = re.sub(r"\$(\d+)\.(\d\d)", lambda m: n(int(m[1])) + " dollars and " + n(int(m[2])) + " cents", t)
    t = re.sub(r"(\d),(\d{3})", r"\1\2", t)
    t = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda m: spell_ordinal(int(m[1])), t)
    t = re.sub(r"\b(1[5-9]\d\d|20[12]\d)\b", lambda m: spell_year(int(m[1])), t)
    t = re.sub(r"\d+", lambda m: " " + n(int(m[0])) + " ", t)
    t = t.replace("%", " percent").replace("-", " ").replace("&", " and ")
    return re.sub(r"[^a-z' ]", " ", t).split()


def word_errors(reference, hypothesis):
    """Levenshtein distance of two word lists."""
    row = list(range(len(hypothesis) + 1))
    for i, a in enumerate(reference):
        previous, row = row, [i + 1]
        for j, b in enumerate(hypothesis):
            row.append(min(previous[j] + (a != b), previous[j + 1] + 1, row[j] + 1))
    return row[-1]
