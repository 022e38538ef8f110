"""Score the held-out sentences on the training machine.

    python evaluate.py --packed packed --out scores.json teacher copy=VOCODER fs2=ACOUSTIC+VOCODER ...

Systems: `teacher` (its own waves), NAME=VOCODER.safetensors (copy synthesis: the vocoder, a HiFi-GAN or a WaveNet, speaks the
teacher's mels) and NAME=ACOUSTIC.safetensors[:option=value...]+VOCODER.safetensors (any of the acoustic
models; options in lib/voices.py). Scores: word error rate by
whisper-tiny.en (greedy), DNSMOS P.835, F0 statistics; for copy synthesis also the median absolute F0
error in cents and the mel L1 against the teacher's wave; for Tacotrons the sentences whose attention failed.
f0_sd_semitones is that of the first 20 sentences, f0_sd_all_semitones that of all.
"""

import argparse
import json
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import scipy.signal
import torch
from safetensors.torch import load_file

from lib import hifigan, melspec, teacher, wavenet, whisper_tiny
from lib.frontend import SYMBOLS, word_errors, words_for_scoring
from lib.recurrent import attention_faults
from lib.training import DEVICE
from lib.voices import Voice

POLY = [np.poly1d(p) for p in ((-0.08397278, 1.22083953, 0.0052439), (-0.13166888, 1.60915514, -0.39604546),
                               (-0.06766283, 1.11546468, 0.04602535))]


def dnsmos(session, x):
    """-> SIG, BAK, OVRL of a 16 kHz wave, averaged over windows of 9.01 s (short waves are repeated)."""
    n = 144160
    while len(x) < n:
        x = np.concatenate([x, x])
    name, out = session.get_inputs()[0].name, []
    for k in range(max(1, int(len(x) / 16000 - 9.01) + 1)):
        raw = session.run(None, {name: x[None, k * 16000:k * 16000 + n].astype(np.float32)})[0][0]
        out.append([p(v) for p, v in zip(POLY, raw)])
    return np.mean(out, 0)


def load_vocoder(spec):
    """FILE.safetensors, of a WaveNet with [:temperature=...] -> mels to waves, and whether it draws noise"""
    path, _, option = spec.partition(":temperature=")
    state = load_file(path)
    if "first_conv.weight_v" in state:
        vocoder, factor = wavenet.Vocoder(path, DEVICE), float(option or 1)
        return lambda mels: vocoder(mels, torch.full((len(mels),), factor)), True
    generator = hifigan.load_public(state).to(DEVICE)
    return lambda mels: [generator(m.T[None])[0] for m in mels], False


def copy_scores(waves, truth, mels):
    cents, l1 = [], []
    for y, t, m in zip(waves, truth, mels):
        f, g = melspec.f0_yin(t[None, :len(y)])[0], melspec.f0_yin(y[None])[0]
        both = (f > 0) & (g > 0)
        cents.append(1200 * torch.log2(f[both] / g[both]).abs())
        l1.append(float((melspec.mel(y[None])[0].T - m).abs().mean()))
    cents = torch.cat(cents)
    return dict(f0_median_cents=round(float(cents.median()), 1), f0_gross_percent=round(100 * float((cents > 300).float().mean()), 1),
                mel_l1=round(float(np.mean(l1)), 4))


def write_wav(path, y):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(melspec.SAMPLE_RATE)
        f.writeframes((np.clip(y, -1, 1) * 32767).astype("<i2").tobytes())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--packed", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--wavs", type=Path, help="keep the waves here")
    ap.add_argument("--seed", type=int, default=0, help="of models that draw noise")
    ap.add_argument("--seeds", type=int, default=1, help="how many draws of such models; the scores are their mean, `draws` lists them")
    ap.add_argument("--first", type=int, default=10 ** 9, help="only the first N sentences")
    ap.add_argument("systems", nargs="+")
    a = ap.parse_args()

    references = (a.packed / "heldout.txt").read_text().splitlines()[:a.first]
    z = np.load(a.packed / "heldout.npz")
    cut = lambda name, offsets, i: torch.from_numpy(z[name][z[offsets][i]:z[offsets][i + 1]].astype(np.int64))
    n = len(references)
    whisper = whisper_tiny.Whisper(whisper_tiny.unpack(str(a.packed / "whisper.npz")),
                                   json.loads((a.packed / "whisper_vocab.json").read_text()), DEVICE)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(a.packed / "sig_bak_ovr.onnx"), options)

    def speak_teacher():
        torch.manual_seed(3)
        voice = teacher.Vits({k: torch.from_numpy(v.astype(np.float32)) for k, v in np.load(a.packed / "teacher.npz").items()})
        voice = voice.to(DEVICE).eval()
        for i in range(n):
            ids = cut("tokens", "token_offsets", i)[None].to(DEVICE)
            yield voice(ids, torch.tensor([ids.shape[1]], device=DEVICE), 0.333, 0.3, 1.0)[0][0]

    spoken_by_teacher = [s for s in a.systems if "+" not in s]
    truth = list(speak_teacher()) if spoken_by_teacher else None
    def speak(parts, seed):
        """-> waves, what copy synthesis adds to the scores or the attention's failures, and whether another seed would differ"""
        if not parts:
            return truth, {}, False
        *acoustic, vocoder = parts.split("+")
        torch.manual_seed(seed)
        vocode, noisy = load_vocoder(vocoder)
        if not acoustic:
            mels = [melspec.mel(y[None])[0].T for y in truth]
            waves = [y.to(DEVICE) for y in vocode(mels)]
            return waves, copy_scores(waves, truth, mels), noisy
        sentences, voice = [cut("symbols", "symbol_offsets", i) for i in range(n)], Voice(acoustic[0], DEVICE)
        mels, attentions = voice.mels(sentences)
        more = {}
        if attentions:
            step = voice.model.r * melspec.HOP / melspec.SAMPLE_RATE
            more["attention_failures"] = sum(bool(attention_faults(w.cpu(), s >= SYMBOLS.index("AA0"), stopped, step))
                                             for s, (w, stopped) in zip(sentences, attentions))
        return vocode(mels), more, voice.draws or noisy

    def score(name, parts, seed):
        start = time.time()
        with torch.no_grad():
            waves, result, draws = speak(parts, seed)
        waves = [np.nan_to_num(np.clip(y.float().cpu().numpy(), -1, 1)) for y in waves]
        with ThreadPoolExecutor(8) as pool:
            low = list(pool.map(lambda y: scipy.signal.resample_poly(y, 320, 441).astype(np.float32), waves))
            mos = np.array(list(pool.map(lambda y: dnsmos(session, y), low)))
        heard = sum((whisper(low[i:i + 25]) for i in range(0, n, 25)), [])
        errors = [word_errors(words_for_scoring(r), words_for_scoring(h)) for r, h in zip(references, heard)]
        words = sum(len(words_for_scoring(r)) for r in references)
        f = [melspec.f0_yin(torch.from_numpy(y)[None].to(DEVICE))[0] for y in waves]
        semitones = lambda part: 12 * torch.log2(torch.cat(part)[torch.cat(part) > 0])
        all_f = torch.cat(f)
        result |= dict(wer=round(100 * sum(errors) / words, 2), correct_percent=round(100 * float(np.mean([e == 0 for e in errors])), 1),
                       sig=round(float(mos[:, 0].mean()), 3), bak=round(float(mos[:, 1].mean()), 3), ovrl=round(float(mos[:, 2].mean()), 3),
                       f0_median_hz=round(float(all_f[all_f > 0].median()), 1), f0_sd_semitones=round(float(semitones(f[:20]).std()), 2),
                       f0_sd_all_semitones=round(float(semitones(f).std()), 2),
                       audio_seconds=round(sum(map(len, waves)) / melspec.SAMPLE_RATE, 1), took=round(time.time() - start, 1))
        print(name, "seed", seed, json.dumps(result), flush=True)
        for i, e in enumerate(errors):
            if e:
                print("   ", i, e, "|", references[i], "|", heard[i], flush=True)
        if a.wavs:
            (a.wavs / name).mkdir(parents=True, exist_ok=True)
            for i, y in enumerate(waves):
                write_wav(a.wavs / name / f"{i:03d}.wav", y)
        return result, draws

    results = {}
    for system in a.systems:
        name, _, parts = system.partition("=")
        first, draws = score(name, parts, a.seed)
        each = [first] + [score(name, parts, a.seed + k)[0] for k in range(1, a.seeds if draws else 1)]
        results[name] = {k: round(float(np.mean([d[k] for d in each])), 4) for k in first}
        if len(each) > 1:
            results[name]["draws"] = each
        a.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
