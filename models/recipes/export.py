"""Write models/<id>/model.safetensors and model.toml from the trained tensors: those that are named.

    python export.py --fastspeech2 out/fastspeech2.safetensors --hifigan out/hifigan.safetensors \\
                     --tacotron2 out/tacotron2.safetensors --tacotron out/tacotron.safetensors \\
                     --matcha out/matcha.safetensors --durations out/durations.safetensors --wavenet out/wavenet.safetensors \\
                     --stats corpus/stats.json --scores scores.json --attention attention.json --models ..

The model cards (README.md) are written by hand.
"""

import argparse
import hashlib
import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from lib.frontend import SYMBOLS
from lib.hifigan import RESBLOCKS, UPSAMPLES
from lib.tacotron import MIN_LEVEL_DB, REF_LEVEL_DB
from lib.training import half

SOURCE = "distilled from the Piper voice en_US-joe-medium (data set CC0; fine-tuned by its authors from en_US-lessac-medium)"
LICENCE = "CC0-1.0 (the teacher was fine-tuned from the lessac voice: see README.md)"
MEL = """
[mel]
n_fft = 1024
hop_length = 256
win_length = 1024
n_mels = 80
f_min = 0.0
f_max = 8000.0
convention = "hifigan"
"""
MEASURED = "# 50 held-out sentences, together with joe-hifigan, means over draws: word error rate by whisper-tiny.en, DNSMOS P.835"


def save(path, tensors, source_name):
    """-> sha256 and the number of values"""
    save_file(half(tensors), str(path), metadata={"source": source_name})  # one entry only: the file's bytes depend on the order of several
    path.chmod(0o644)
    n = sum(v.numel() for v in tensors.values() if v.is_floating_point())
    print(path.parent.name, path.name, n, "values", path.stat().st_size, "bytes")
    return hashlib.sha256(path.read_bytes()).hexdigest(), n


def write(models, kind, role, source, tail):
    """One folder; `source` is the trained file, `tail` what follows [mel] in model.toml."""
    folder = models / f"joe-{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    digest, n = save(folder / "model.safetensors", load_file(str(source)), f"Formant recipe train_{kind}.py")
    (folder / "model.toml").write_text(f'''id = "joe-{kind}"
name = "Joe"
kind = "{kind}"
role = "{role}"
language = "en-US"
licence = {json.dumps(LICENCE)}
source = {json.dumps(SOURCE)}
file = "model.safetensors"
sha256 = "{digest}"
sample_rate = 22050
n_parameters = {n}
''' + MEL + tail)


def quality(score, more=""):
    return f'''
{MEASURED}
[quality]
wer_percent = {score["wer"]:.2f}
dnsmos_ovrl = {score["ovrl"]:.3f}
dnsmos_sig = {score["sig"]:.3f}
dnsmos_bak = {score["bak"]:.3f}
f0_sd_semitones = {score["f0_sd_semitones"]:.2f}
{more}'''


def attention_quality(results, name):
    if not results:
        return ""
    return (f"# of {results[name]['sentences']} sentences spoken freely, those whose attention failed\n"
            f"attention_failures_percent = {results[name]['percent']}\n"
            f"attention_failures_with_window_percent = {results[name + '+window']['percent']}\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in ("fastspeech2", "hifigan", "tacotron2", "tacotron", "matcha", "wavenet"):
        ap.add_argument(f"--{kind}", type=Path)
    ap.add_argument("--durations", type=Path, help="the stochastic predictor that belongs to --matcha")
    ap.add_argument("--matcha-steps", type=int, default=4)
    ap.add_argument("--matcha-temperature", type=float, default=0.667)
    ap.add_argument("--wavenet-temperature", type=float, default=0.7, help="factor on the scales that samples are drawn with")
    ap.add_argument("--stats", type=Path, required=True, help="stats.json of the corpus")
    ap.add_argument("--scores", type=Path, required=True, help="scores.json of evaluate.py with systems copy, fs2, tacotron2, tacotron, matcha")
    ap.add_argument("--attention", type=Path, help="what check_attention.py wrote")
    ap.add_argument("--models", type=Path, default=Path(__file__).resolve().parents[1])
    a = ap.parse_args()
    stats, scores = json.loads(a.stats.read_text()), json.loads(a.scores.read_text())
    attention = json.loads(a.attention.read_text()) if a.attention else {}
    symbols = f"symbols = {json.dumps(SYMBOLS)}"
    if a.fastspeech2:
        write(a.models, "fastspeech2", "acoustic", a.fastspeech2, f'''
[fastspeech2]
n_heads = 2
{symbols}
pitch_mean_hz = {stats["pitch_mean_hz"]:.4f}
pitch_std_hz = {stats["pitch_std_hz"]:.4f}
energy_mean = {stats["energy_mean"]:.6f}
energy_std = {stats["energy_std"]:.6f}
''' + quality(scores["fs2"]))
    if a.tacotron2:
        write(a.models, "tacotron2", "acoustic", a.tacotron2, f'''
[tacotron2]
{symbols}
gate_threshold = 0.5
max_decoder_steps = 1000
''' + quality(scores["tacotron2"], attention_quality(attention, "tacotron2")))
    if a.tacotron:
        write(a.models, "tacotron", "acoustic", a.tacotron, f'''
# mels in decibels: y = (20 log10(mel) - ref_level_db - min_level_db) / -min_level_db; the post-net writes mels too
[tacotron]
{symbols}
ref_level_db = {REF_LEVEL_DB}
min_level_db = {MIN_LEVEL_DB}
dropout = true
max_decoder_steps = 1000
''' + quality(scores["tacotron"], attention_quality(attention, "tacotron")))
    if a.matcha:
        folder = a.models / "joe-matcha"
        folder.mkdir(parents=True, exist_ok=True)
        digest, _ = save(folder / "sdp.safetensors", load_file(str(a.durations)), "Formant recipe train_durations.py")
        write(a.models, "matcha", "acoustic", a.matcha, f'''
[matcha]
{symbols}
add_blank = false
n_heads = 2
n_decoder_heads = 2
n_timesteps = {a.matcha_steps}
temperature = {a.matcha_temperature}
length_scale = 1.0
# the other duration predictor: noise in, durations out
stochastic_durations = "sdp.safetensors"
stochastic_durations_sha256 = "{digest}"
noise_scale_w = 0.8
''' + quality(scores["matcha"], "".join(
            f"wer_{key}_percent = {scores[name]['wer']:.2f}\n"
            for key, name in (("2_steps", "matcha2"), ("10_steps", "matcha10"), ("stochastic_durations", "matcha_sdp")) if name in scores)))
    if a.hifigan:
        lists = lambda values: "[" + ", ".join(map(str, values)) + "]"
        copy = scores["copy"]
        write(a.models, "hifigan", "vocoder", a.hifigan, f'''
[hifigan]
resblock = 2
upsample_rates = {lists(r for r, _ in UPSAMPLES)}
upsample_kernel_sizes = {lists(k for _, k in UPSAMPLES)}
resblock_kernel_sizes = {lists(k for k, _ in RESBLOCKS)}
resblock_dilation_sizes = {lists(lists(d) for _, d in RESBLOCKS)}

# copy synthesis of the teacher's mels of the 50 held-out sentences: F0 by YIN, ln mel L1, whisper-tiny.en, DNSMOS P.835
[quality]
copy_f0_median_cents = {copy["f0_median_cents"]}
copy_mel_l1 = {copy["mel_l1"]}
copy_dnsmos_ovrl = {copy["ovrl"]}
copy_wer_percent = {copy["wer"]}
''')
    if a.wavenet:
        settings, score = json.loads(a.wavenet.with_suffix(".json").read_text()), scores["wavenet"]
        write(a.models, "wavenet", "vocoder", a.wavenet, f'''
[wavenet]
n_stacks = 4
preemphasis = {settings["preemphasis"]}
gain = {settings["gain"]}
temperature = {a.wavenet_temperature}
mel_mean = {settings["mel_mean"]}
mel_std = {settings["mel_std"]}

# joe-fastspeech2 with this vocoder on the 50 held-out sentences: whisper-tiny.en, DNSMOS P.835
[quality]
wer_percent = {score["wer"]:.2f}
dnsmos_ovrl = {score["ovrl"]:.3f}
dnsmos_sig = {score["sig"]:.3f}
dnsmos_bak = {score["bak"]:.3f}
''')


if __name__ == "__main__":
    main()
