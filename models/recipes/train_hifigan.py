"""Train the HiFi-GAN generator on the generated corpus, starting from the teacher's decoder.

    python train_hifigan.py --packed packed --corpus corpus --out out --steps 20000

All weights but the first layer come from the teacher; the first layer (mel -> channels) is the least
squares fit to the teacher's own first layer. From step --gta-from on, part of every batch are mels
predicted by the acoustic models: every corpus/gta*.npy there is (train_fastspeech2.py writes one,
predict_mels.py the others), in turn; one that is written anew while this runs is read anew.

Losses: 45 x mel (three resolutions), least-squares GAN with feature matching (five period and three
spectrogram discriminators), and two terms that make the pitch exact: the log spectrum below 2 kHz with
long windows, and the normalised autocorrelation of 93 ms frames.

Writes out/<name>.safetensors with jik876's names (16-bit moving average of the weights).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from lib import melspec
from lib.hifigan import Discriminators, Generator, plain_state, public_state
from lib.training import CUDA, DEVICE, EMA, Corpus, cosine, log, set_lr

HOP = melspec.HOP


def fit_first_layer(generator, teacher, corpus):
    """Least squares from 7 mel frames to the output of the teacher's conv_pre."""
    w, b = teacher["dec.conv_pre.weight"], teacher["dec.conv_pre.bias"]
    xx = torch.zeros(561, 561, device=DEVICE, dtype=torch.float64)
    xy = torch.zeros(561, w.shape[0], device=DEVICE, dtype=torch.float64)
    yy, ys, n = 0, 0, 0
    for indices, latents in torch.load(corpus.folder / "latents.pt", weights_only=False):
        for r, k in enumerate(indices):
            frames = int(corpus.n_frames_cpu[k])
            h = F.conv1d(latents[r:r + 1, :, :frames].float().to(DEVICE), w, b, padding=3)[0].T.double()
            mel = corpus.mel[corpus.frame_offsets[k]:corpus.frame_offsets[k] + frames].float().T[None]
            u = F.pad(mel, (3, 3)).unfold(2, 7, 1)[0].permute(1, 0, 2).reshape(frames, 560)
            u = torch.cat([u, torch.ones(frames, 1, device=DEVICE)], 1).double()
            xx, xy, yy, ys, n = xx + u.T @ u, xy + u.T @ h, yy + (h ** 2).sum(0), ys + h.sum(0), n + frames
    fit = torch.linalg.solve(xx + 1e-6 * n * torch.eye(561, device=DEVICE, dtype=torch.float64), xy)
    residual = yy - 2 * (fit * xy).sum(0) + ((xx @ fit) * fit).sum(0)
    print("first layer: frames", n, "R2", float(1 - residual.sum() / (yy - ys ** 2 / n).sum()), flush=True)
    c = w.shape[0]
    with torch.no_grad():
        generator.conv_pre.weight[:c] = fit[:560].T.reshape(c, 80, 7).float()
        generator.conv_pre.bias.zero_()
        generator.conv_pre.bias[:c] = fit[560].float()


class SpectralLosses:
    """Mel L1 at three resolutions, long-window log spectrum at low frequencies, autocorrelation."""

    MELS = ((1024, 256, 80, 1.0), (512, 128, 40, 0.5), (2048, 512, 160, 0.5))
    LONG = ((2048, 512), (4096, 1024))

    def __init__(self, quiet):
        self.quiet = quiet
        self.basis = [torch.from_numpy(melspec.mel_basis(n_fft=n, n_mels=k, f_max=11025)).to(DEVICE) for n, _, k, _ in self.MELS]
        sizes = {n for n, *_ in self.MELS} | {n for n, _ in self.LONG}
        self.hann = {n: torch.hann_window(n, device=DEVICE) for n in sizes}

    def magnitude(self, y, n, hop):
        y = F.pad(y[:, None], ((n - hop) // 2, (n - hop) // 2), "reflect")[:, 0]
        s = torch.stft(y, n, hop, n, self.hann[n], center=False, return_complex=True)
        return torch.sqrt(s.real ** 2 + s.imag ** 2 + 1e-9)

    def mel(self, real, fake):
        total = 0
        for (n, hop, _, weight), basis in zip(self.MELS, self.basis):
            a, b = (torch.log((basis @ self.magnitude(y, n, hop)).clamp_min(1e-5)) for y in (real, fake))
            total = total + weight * (a - b).abs().mean()
        return total

    def long_windows(self, real, fake):
        total = 0
        for n, hop in self.LONG:
            bins = int(2000 / melspec.SAMPLE_RATE * n)
            a, b = (torch.log(self.magnitude(y, n, hop)[:, 2:bins].clamp_min(1e-2)) for y in (real, fake))
            total = total + 0.5 * (a - b).abs().mean()
        return total

    def autocorrelation(self, real, fake, size=2048, hop=512, lags=900):
        """L1 of normalised autocorrelations (lags up to 41 ms); a real frame counts by half where its power is `quiet`.

        Creak at the end of phrases is quiet, and a generator that is not held to its period whispers there.
        """
        out = []
        for y in (real, fake):
            frames = y.unfold(1, size, hop) * self.hann[size]
            power = torch.fft.rfft(frames, 2 * size)
            r = torch.fft.irfft(power.real ** 2 + power.imag ** 2, 2 * size)[..., :lags]
            out.append((r[..., 1:] / (r[..., :1] + 1e-3), r[..., 0]))
        (a, energy), (b, _) = out
        weight = energy / (energy + self.quiet)
        return ((a - b).abs().mean(-1) * weight).sum() / (weight.sum() + 1e-3)


def pitch_error(real, fake):
    """Absolute F0 differences in cents of the frames voiced in both."""
    a, b = melspec.f0_yin(real), melspec.f0_yin(fake)
    both = (a > 0) & (b > 0)
    return 1200 * torch.log2(a[both] / b[both]).abs()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--packed", type=Path, required=True)
    ap.add_argument("--corpus", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--name", default="hifigan")
    ap.add_argument("--steps", type=int, default=20000)
    ap.add_argument("--stop", type=int, default=10 ** 9, help="end after this step of the schedule")
    ap.add_argument("--start", type=Path, help="go on from this generator (new discriminators) instead of the teacher")
    ap.add_argument("--channels", type=int, default=256)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--segment", type=int, default=16384)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--long", type=float, default=8.0, help="weight of the long-window loss")
    ap.add_argument("--acf", type=float, default=100.0, help="weight of the autocorrelation loss")
    ap.add_argument("--quiet", type=float, default=0.02,
                    help="summed power of a windowed frame from which the autocorrelation counts: an amplitude of 0.005")
    ap.add_argument("--adv", type=float, default=1.0, help="weight of the adversarial and feature losses")
    ap.add_argument("--gta", type=float, default=0.5, help="share of predicted mels in a batch")
    ap.add_argument("--gta-from", type=int, default=6000)
    ap.add_argument("--settle", type=int, default=0, help="steps in which new discriminators learn before the generator moves")
    ap.add_argument("--check", type=int, default=1000)
    ap.add_argument("--keep", type=int, help="keep the state of this step, too, as NAME_STEP.safetensors (for average.py)")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.backends.cudnn.benchmark = True

    corpus = Corpus(a.corpus, wave=True)
    teacher = {k: torch.from_numpy(v.astype(np.float32)).to(DEVICE) for k, v in np.load(a.packed / "teacher.npz").items()}
    G, D = Generator(a.channels).to(DEVICE), Discriminators().to(DEVICE)
    print(a.name, "parameters: generator", sum(p.numel() for p in G.parameters()), "discriminators",
          sum(p.numel() for p in D.parameters()), flush=True)
    if a.start:
        G.start_from({k: v.to(DEVICE) for k, v in plain_state(load_file(str(a.start))).items()})
    else:
        G.start_from(teacher, "dec.")
        fit_first_layer(G, teacher, corpus)
    spectral, ema = SpectralLosses(a.quiet), EMA(G, 0.999)
    adam = lambda m: torch.optim.AdamW(m.parameters(), lr=torch.tensor(a.lr, device=DEVICE) if CUDA else a.lr, betas=(0.8, 0.99),
                                       weight_decay=0.01, fused=CUDA, capturable=CUDA)
    opt_g, opt_d = adam(G), adam(D)

    # segments: sentences weighted by their length, cut at random frames
    frames = a.segment // HOP
    usable = corpus.n_frames_cpu > frames + 1
    usable[corpus.val] = False
    candidates = torch.nonzero(usable)[:, 0].to(DEVICE)
    share = corpus.n_frames[candidates].float().cumsum(0)
    share = share / share[-1]
    frame_range, sample_range = torch.arange(frames, device=DEVICE)[None], torch.arange(a.segment, device=DEVICE)[None]
    predicted, written = {}, {}  # name -> mels of the whole corpus, and when they were written

    def sample():
        k = candidates[torch.searchsorted(share, torch.rand(a.batch, device=DEVICE)).clamp_max(len(candidates) - 1)]
        first = corpus.frame_offsets[k] + (torch.rand(a.batch, device=DEVICE) * (corpus.n_frames[k] - frames)).long()
        q = first[:, None] + frame_range
        mel = corpus.mel[q].float()
        n_predicted = round(a.batch * a.gta)
        for i, mels in enumerate(predicted.values()):
            rows = slice(i, n_predicted, len(predicted))
            mel[rows] = mels[q[rows]].float()
        return mel.transpose(1, 2).contiguous(), corpus.wave[first[:, None] * HOP + sample_range].float() / 32768

    amp = lambda: torch.autocast(DEVICE.split(":")[0], torch.bfloat16, enabled=CUDA, cache_enabled=False)
    static_mel, static_wave = sample()
    history = torch.zeros(6, device=DEVICE)

    def train_step():
        fake = G(static_mel)
        with amp():
            scores, _ = D(torch.cat([static_wave, fake.detach()]))
            loss_d = sum(((1 - s[:a.batch].float()) ** 2).mean() + (s[a.batch:].float() ** 2).mean() for s in scores)
        opt_d.zero_grad(set_to_none=not CUDA)
        loss_d.backward()
        opt_d.step()
        for p in D.parameters():
            p.requires_grad_(False)
        with amp():
            with torch.no_grad():
                _, real_features = D(static_wave)
            scores, features = D(fake)
            adversarial = sum(((1 - s.float()) ** 2).mean() for s in scores)
            matching = sum((r - f).abs().mean(dtype=torch.float32) for rs, fs in zip(real_features, features)
                           for r, f in zip(rs, fs))
        mel = spectral.mel(static_wave, fake)
        long_windows = spectral.long_windows(static_wave, fake)
        acf = spectral.autocorrelation(static_wave, fake)
        loss_g = 45 * mel + a.long * long_windows + a.acf * acf + a.adv * (adversarial + 2 * matching)
        opt_g.zero_grad(set_to_none=not CUDA)
        loss_g.backward()
        torch.nn.utils.clip_grad_norm_(G.parameters(), 500.0, foreach=True)
        opt_g.step()
        for p in D.parameters():
            p.requires_grad_(True)
        history.mul_(0.98).add_(0.02 * torch.stack([t.detach() for t in (mel, long_windows, acf, adversarial, matching, loss_d)]))

    def validate(n=60):
        g = Generator(a.channels).to(DEVICE).eval()
        g.load_state_dict(ema.state())
        l1, cents = [], []
        with torch.no_grad():
            for k in corpus.val[:n].tolist():
                b, c = int(corpus.frame_offsets[k]), int(corpus.frame_offsets[k + 1])
                real, fake = corpus.wave[b * HOP:c * HOP].float()[None] / 32768, g(corpus.mel[b:c].float().T[None])
                l1.append(float((melspec.mel(real) - melspec.mel(fake)).abs().mean()))
                cents.append(pitch_error(real, fake))
        return float(np.mean(l1)), float(torch.cat(cents).median())

    def save(name):
        public = {k: v.half().cpu().contiguous() for k, v in public_state(ema.state()).items()}
        part = a.out / f"{name}.part"
        save_file(public, str(part))
        part.rename(a.out / f"{name}.safetensors")

    torch.backends.cudnn.benchmark = False  # many lengths below
    print("start: val mel L1, F0 cents", validate(), flush=True)
    torch.backends.cudnn.benchmark = True
    replay = train_step
    if CUDA:
        set_lr(opt_g, 0.0)
        set_lr(opt_d, 0.0)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(6):
                train_step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            train_step()
        replay = graph.replay
        print("graph captured, GiB", round(torch.cuda.max_memory_allocated() / 2 ** 30, 1), flush=True)
    torch.backends.cudnn.benchmark = False

    start, step = time.time(), 0
    last = min(a.steps, a.stop)
    while step < last:
        if step % 20 == 0:
            factor = cosine(step, a.steps, 400, 0.05)
            set_lr(opt_g, a.lr * factor if step >= a.settle else 0.0)
            set_lr(opt_d, a.lr * factor)
        if step >= a.gta_from and a.gta > 0 and (step - a.gta_from) % 200 == 0:
            while not (found := sorted(corpus.folder.glob("gta*.npy"))):
                time.sleep(1)
            for path in found:
                if written.get(path.stem) != path.stat().st_mtime_ns:
                    written[path.stem] = path.stat().st_mtime_ns
                    predicted[path.stem] = torch.from_numpy(np.load(path)).to(DEVICE)
                    print(path.stem, "from step", step, round(time.time() - start), "s", flush=True)
        mel, wave = sample()
        static_mel.copy_(mel)
        static_wave.copy_(wave)
        replay()
        ema.update()
        step += 1
        if step % 50 == 0 and CUDA:
            torch.cuda.synchronize()
        if step % a.check == 0 or step == last:
            seconds, names = time.time() - start, ("mel", "long", "acf", "adv", "fm", "disc")
            l1, cents = validate()
            log(name=a.name, step=step, seconds=seconds, steps_per_s=step / seconds, val_mel_l1=l1, val_f0_cents=cents,
                train={k: round(v, 4) for k, v in zip(names, history.tolist())})
            save(a.name)
        if step == a.keep:
            save(f"{a.name}_{step}")
    (a.out / f"{a.name}.json").write_text(json.dumps({**{k: str(v) for k, v in vars(a).items()}, "seconds_taken": time.time() - start}))


if __name__ == "__main__":
    main()
