"""Write models/<id>/model.safetensors and model.toml from the trained tensors.

    python export.py --fastspeech2 out/fastspeech2.safetensors --hifigan out/hifigan.safetensors \\
                     --stats corpus/stats.json --scores scores.json --models ..

The model cards (README.md) are written by hand.
"""

import argparse
import hashlib
import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from lib.frontend import SYMBOLS
from lib.hifigan import RESBLOCKS, UPSAMPLES

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


def write(folder, tensors, head, tail, source_name):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    save_file({k: v.half().contiguous() for k, v in tensors.items()}, str(path),
              metadata={"source": source_name})  # one entry only: the file's bytes depend on the order of several
    path.chmod(0o644)
    digest, n = hashlib.sha256(path.read_bytes()).hexdigest(), sum(v.numel() for v in tensors.values())
    (folder / "model.toml").write_text(head + f'''language = "en-US"
licence = {json.dumps(LICENCE)}
source = {json.dumps(SOURCE)}
file = "model.safetensors"
sha256 = "{digest}"
sample_rate = 22050
n_parameters = {n}
''' + MEL + tail)
    print(folder.name, n, "values", path.stat().st_size, "bytes", digest)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--fastspeech2", type=Path, required=True)
    ap.add_argument("--hifigan", type=Path, required=True)
    ap.add_argument("--stats", type=Path, required=True, help="stats.json of the corpus")
    ap.add_argument("--scores", type=Path, required=True, help="scores.json of evaluate.py with systems copy and fs2")
    ap.add_argument("--models", type=Path, default=Path(__file__).resolve().parents[1])
    a = ap.parse_args()
    stats, scores = json.loads(a.stats.read_text()), json.loads(a.scores.read_text())
    fs2, copy = scores["fs2"], scores["copy"]

    write(a.models / "joe-fastspeech2", load_file(str(a.fastspeech2)),
          'id = "joe-fastspeech2"\nname = "Joe"\nkind = "fastspeech2"\nrole = "acoustic"\n', f'''
[fastspeech2]
n_heads = 2
symbols = {json.dumps(SYMBOLS)}
pitch_mean_hz = {stats["pitch_mean_hz"]:.4f}
pitch_std_hz = {stats["pitch_std_hz"]:.4f}
energy_mean = {stats["energy_mean"]:.6f}
energy_std = {stats["energy_std"]:.6f}

# measured on the 50 held-out sentences, together with joe-hifigan: word error rate by whisper-tiny.en, DNSMOS P.835
[quality]
wer_percent = {fs2["wer"]}
dnsmos_ovrl = {fs2["ovrl"]}
dnsmos_sig = {fs2["sig"]}
dnsmos_bak = {fs2["bak"]}
f0_sd_semitones = {fs2["f0_sd_semitones"]}
''', "Formant recipe train_fastspeech2.py")
    lists = lambda values: "[" + ", ".join(map(str, values)) + "]"
    write(a.models / "joe-hifigan", load_file(str(a.hifigan)),
          'id = "joe-hifigan"\nname = "Joe"\nkind = "hifigan"\nrole = "vocoder"\n', f'''
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
''', "Formant recipe train_hifigan.py")


if __name__ == "__main__":
    main()
