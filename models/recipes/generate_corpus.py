"""Let the teacher speak every sentence of the packed corpus (about 13.5 h of audio).

    python generate_corpus.py --packed packed --corpus corpus

Writes wave (int16), ln mel (f16), per-frame f0, and per-symbol durations, pitch and energy:

* pitch: mean F0 in Hz over the voiced frames of the symbol, minus the mean, over the standard deviation
  (both taken over all voiced frames); 0 where no frame is voiced;
* energy: L2 norm of the 80 linear mel bins, averaged over the symbol, minus the mean, over the standard
  deviation (both taken over all symbols).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from lib import melspec, teacher
from lib.training import DEVICE

HOP = melspec.HOP


def reflect_tail(y, n_samples, width=384):
    """Continue every item of y (B, N) past its own end by reflection, and with zeros after that."""
    t = torch.arange(y.shape[1], device=y.device)[None]
    n = n_samples[:, None]
    source = torch.where(t < n, t, 2 * (n - 1) - t).clamp_min(0)
    return torch.where(t < n + width, y.gather(1, source.expand(len(y), -1)), torch.zeros((), device=y.device))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--packed", type=Path, required=True)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--noise", type=float, default=0.333)
    ap.add_argument("--noise-w", type=float, default=0.3)
    ap.add_argument("--length-scale", type=float, default=1.0)
    ap.add_argument("--limit", type=int, default=10 ** 9, help="first N sentences only (for a trial)")
    a = ap.parse_args()
    a.corpus.mkdir(parents=True, exist_ok=True)
    start = time.time()
    torch.manual_seed(1)

    z = np.load(a.packed / "corpus.npz")
    symbols, symbol_offsets, tokens, owner, token_offsets = (
        z[k] for k in ("symbols", "symbol_offsets", "tokens", "owner", "token_offsets"))
    n = min(a.limit, len(symbol_offsets) - 1)
    model = teacher.Vits({k: torch.from_numpy(v.astype(np.float32)) for k, v in np.load(a.packed / "teacher.npz").items()})
    model = model.to(DEVICE).eval()

    # durations, in batches of similar length
    n_tokens = np.diff(token_offsets)[:n]
    order = np.argsort(n_tokens, kind="stable")
    parts, i = [None] * n, 0
    with torch.no_grad():
        while i < n:
            size = max(1, min(256, 60000 // int(n_tokens[order[min(n - 1, i + 255)]])))
            idx = order[i:i + size]
            i += size
            x = np.zeros((len(idx), int(n_tokens[idx].max())), np.int64)
            for r, k in enumerate(idx):
                x[r, :n_tokens[k]] = tokens[token_offsets[k]:token_offsets[k + 1]]
            d, mean, log_std = model.durations(torch.from_numpy(x).to(DEVICE), torch.tensor(n_tokens[idx], device=DEVICE),
                                               a.noise_w, a.length_scale)
            d = d.clamp_max(60)
            for r, k in enumerate(idx):
                m = n_tokens[k]
                parts[k] = (d[r, :m], mean[r, :, :m].half(), log_std[r, :, :m].half())
        token_frames = [p[0].cpu().numpy() for p in parts]
        n_frames = np.array([t.sum() for t in token_frames])
        frame_offsets = np.concatenate([[0], n_frames.cumsum()]).astype(np.int64)
        total = int(frame_offsets[-1])

        # waves and features
        wave, mel = np.zeros(total * HOP, np.int16), np.zeros((total, 80), np.float16)
        f0, energy = np.zeros(total, np.float32), np.zeros(total, np.float32)
        latents, order, i, n_batches = [], np.argsort(n_frames, kind="stable"), 0, 0
        while i < n:
            size = max(1, min(512, 30000 // max(1, int(n_frames[order[min(n - 1, i + 100)]]))))
            idx = order[i:i + size]
            i += size
            width = max(token_frames[k].size for k in idx)
            d = torch.zeros(len(idx), width, dtype=torch.long, device=DEVICE)
            mean = torch.zeros(len(idx), 192, width, device=DEVICE)
            log_std = torch.zeros_like(mean)
            for r, k in enumerate(idx):
                p, parts[k] = parts[k], None
                m = len(p[0])
                d[r, :m], mean[r, :, :m], log_std[r, :, :m] = p
            latent, lengths = model.latent(d, mean, log_std, a.noise)
            y = model.dec(latent)
            y16 = (y * 32767).round().clamp(-32768, 32767)
            y = reflect_tail(y16 / 32768.0, lengths * HOP)
            m, e = melspec.mel(y, with_energy=True)
            f = melspec.f0_yin(y)
            y16, m = y16.to(torch.int16).cpu().numpy(), m.transpose(1, 2).half().cpu().numpy()
            e, f = e.cpu().numpy(), f.cpu().numpy()
            for r, k in enumerate(idx):
                b, c = frame_offsets[k], frame_offsets[k + 1]
                wave[b * HOP:c * HOP] = y16[r, :(c - b) * HOP]
                mel[b:c], f0[b:c], energy[b:c] = m[r, :c - b], f[r, :c - b], e[r, :c - b]
            if len(latents) < 12 and n_batches % 12 == 0:
                latents.append((idx[:8], latent[:8].half().cpu()))  # for the vocoder's first layer
            n_batches += 1

    # per-symbol durations, pitch, energy
    durations = np.zeros(symbol_offsets[n], np.int64)
    for k in range(n):
        where = symbol_offsets[k] + owner[token_offsets[k]:token_offsets[k + 1]].astype(np.int64)
        np.add.at(durations, where, token_frames[k])
    end = durations.cumsum()
    begin = end - durations
    running = lambda v: np.concatenate([[0.0], v.astype(np.float64).cumsum()])
    for b, c in zip(frame_offsets[:-1], frame_offsets[1:]):  # octave errors of the tracker do not count as voiced
        f = f0[b:c]
        if (f > 0).any():
            middle = np.median(f[f > 0])
            f[(f < 0.5 * middle) | (f > 1.9 * middle)] = 0
    voiced = f0 > 0
    n_voiced = running(voiced)[end] - running(voiced)[begin]
    f0_sum, energy_sum = running(f0)[end] - running(f0)[begin], running(energy)[end] - running(energy)[begin]
    pitch_mean, pitch_std = float(f0[voiced].mean(dtype=np.float64)), float(f0[voiced].std(dtype=np.float64))
    pitch = np.where(n_voiced > 0, (f0_sum / np.maximum(n_voiced, 1) - pitch_mean) / pitch_std, 0)
    per_symbol = energy_sum / np.maximum(durations, 1)
    energy_mean, energy_std = float(per_symbol.mean()), float(per_symbol.std())

    save = lambda name, v: np.save(a.corpus / f"{name}.npy", v)
    save("symbols", symbols[:symbol_offsets[n]])
    save("symbol_offsets", symbol_offsets[:n + 1].astype(np.int64))
    save("durations", durations.astype(np.int16))
    save("frame_offsets", frame_offsets)
    save("mel", mel)
    save("wave", wave)
    save("f0", f0)
    save("pitch", pitch.astype(np.float32))
    save("energy", ((per_symbol - energy_mean) / energy_std).astype(np.float32))
    torch.save(latents, a.corpus / "latents.pt")
    sub = mel[::7].astype(np.float32)
    stats = dict(mel_mean=sub.mean(0).tolist(), mel_std=float(sub.std()), pitch_mean_hz=pitch_mean, pitch_std_hz=pitch_std,
                 energy_mean=energy_mean, energy_std=energy_std, hours=total * HOP / melspec.SAMPLE_RATE / 3600, sentences=n)
    (a.corpus / "stats.json").write_text(json.dumps(stats))
    print(json.dumps({k: v for k, v in stats.items() if k != "mel_mean"}), "voiced", float(voiced.mean()),
          "zero durations", int((durations == 0).sum()), "seconds", round(time.time() - start, 1), flush=True)


if __name__ == "__main__":
    main()
