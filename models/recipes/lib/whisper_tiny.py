"""Whisper tiny.en, greedy and batched, in plain torch: scores speech on the training machine.

The weights come from a CTranslate2 `model.bin`.
"""

import re
import struct

import numpy as np
import torch
import torch.nn.functional as F

from .melspec import hz_to_mel, mel_to_hz

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(path):
    """-> arrays by name"""
    data, offset = open(path, "rb").read(), 0

    def number(code):
        nonlocal offset
        value = struct.unpack_from("<" + code, data, offset)[0]
        offset += struct.calcsize("<" + code)
        return value

    def text():
        nonlocal offset
        n = number("H")
        value = data[offset:offset + n].rstrip(b"\0").decode()
        offset += n
        return value

    number("I"), text(), number("I")  # format version, model name, revision
    out = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = TYPES[number("B")], number("I")
        out[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, offset).reshape(shape)
        offset += size
    for _ in range(number("I")):  # aliases
        alias, name = text(), text()
        out[alias] = out[name]
    return out


def pack(path, out):
    """Store every matrix as int8 with one scale a row."""
    arrays, packed = read_ctranslate2(path), {}
    arrays.pop("decoder/projection/weight", None)  # equals the embedding
    for name, value in arrays.items():
        if value.dtype in (np.float32, np.float16) and value.ndim >= 2 and value.size > 4096 and "position" not in name:
            rows = value.astype(np.float32).reshape(value.shape[0], -1)
            scale = np.abs(rows).max(1, keepdims=True) / 127 + 1e-12
            packed[name + "|q"] = np.round(rows / scale).astype(np.int8).reshape(value.shape)
            packed[name + "|s"] = scale[:, 0].astype(np.float32)
        else:
            packed[name] = value.astype(np.float16) if value.dtype == np.float32 else value
    np.savez_compressed(out, **packed)


def unpack(path):
    z, out = np.load(path), {}
    for name in z.files:
        if name.endswith("|q"):
            q = z[name].astype(np.float32)
            out[name[:-2]] = q * z[name[:-2] + "|s"].reshape([-1] + [1] * (q.ndim - 1))
        elif not name.endswith("|s"):
            out[name] = z[name]
    return out


def byte_characters():
    """The byte-level BPE's character of every byte, reversed."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(rest)}


class Whisper:
    HEADS = 6

    def __init__(self, weights, vocabulary, device):
        """weights: from `unpack`; vocabulary: token of every id."""
        self.device, self.vocabulary = device, vocabulary
        self.w = {k: torch.tensor(v).to(device).float() for k, v in weights.items() if v.ndim and v.dtype != np.int8}
        self.layers = 1 + max(int(m[1]) for m in (re.match(r"encoder/layer_(\d+)", k) for k in self.w) if m)
        ids = {t: i for i, t in enumerate(vocabulary)}
        self.end = ids["<|endoftext|>"]
        self.prompt = [ids["<|startoftranscript|>"], ids["<|notimestamps|>"]]
        self.bytes = byte_characters()
        bins, points = np.linspace(0, 8000, 201), mel_to_hz(np.linspace(hz_to_mel(0), hz_to_mel(8000), 82))
        width, ramp = np.diff(points), points[:, None] - bins[None]
        basis = np.maximum(0, np.minimum(-ramp[:-2] / width[:-1, None], ramp[2:] / width[1:, None]))
        self.basis = torch.tensor((basis * (2 / (points[2:] - points[:-2]))[:, None]).astype(np.float32)).to(device)

    def linear(self, x, name):
        return F.linear(x, self.w[name + "/weight"], self.w.get(name + "/bias"))

    def norm(self, x, name):
        return F.layer_norm(x, (x.shape[-1],), self.w[name + "/gamma"], self.w[name + "/beta"])

    def attend(self, q, k, v, causal=False):
        split = lambda t: t.view(t.shape[0], t.shape[1], self.HEADS, -1).transpose(1, 2)
        return F.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=causal).transpose(1, 2).reshape(q.shape)

    def self_attention(self, x, layer, causal):
        q, k, v = self.linear(self.norm(x, layer + "self_attention/layer_norm"), layer + "self_attention/linear_0").chunk(3, -1)
        return x + self.linear(self.attend(q, k, v, causal), layer + "self_attention/linear_1")

    def feed_forward(self, x, layer):
        h = F.gelu(self.linear(self.norm(x, layer + "ffn/layer_norm"), layer + "ffn/linear_0"))
        return x + self.linear(h, layer + "ffn/linear_1")

    def encode(self, mel):
        x = F.gelu(F.conv1d(mel, self.w["encoder/conv1/weight"], self.w["encoder/conv1/bias"], padding=1))
        x = F.gelu(F.conv1d(x, self.w["encoder/conv2/weight"], self.w["encoder/conv2/bias"], stride=2, padding=1)).transpose(1, 2)
        x = x + self.w["encoder/position_encodings/encodings"][:x.shape[1]]
        for i in range(self.layers):
            x = self.feed_forward(self.self_attention(x, f"encoder/layer_{i}/", False), f"encoder/layer_{i}/")
        return self.norm(x, "encoder/layer_norm")

    def decode(self, tokens, memory):
        """-> scores of the next token; memory: keys and values of the encoder's output, by layer"""
        embedding = self.w["decoder/embeddings/weight"]
        x = embedding[tokens] + self.w["decoder/position_encodings/encodings"][:tokens.shape[1]]
        for i in range(self.layers):
            layer = f"decoder/layer_{i}/"
            x = self.self_attention(x, layer, True)
            q = self.linear(self.norm(x, layer + "attention/layer_norm"), layer + "attention/linear_0")
            x = x + self.linear(self.attend(q, *memory[i]), layer + "attention/linear_2")
            x = self.feed_forward(x, layer)
        return self.norm(x[:, -1], "decoder/layer_norm") @ embedding.T

    @torch.no_grad()
    def __call__(self, waves, limit=100):
        """List of 16 kHz waves (at most 30 s each) -> transcripts."""
        y = torch.zeros(len(waves), 480000, device=self.device)
        for i, w in enumerate(waves):
            w = torch.as_tensor(w, device=self.device).float()[:480000]
            y[i, :len(w)] = w
        s = torch.stft(y, 400, 160, 400, torch.hann_window(400, device=self.device), center=True, return_complex=True)[..., :-1]
        mel = torch.log10((self.basis @ s.abs().pow(2)).clamp_min(1e-10))
        mel = (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4
        encoded = self.encode(mel)
        memory = [self.linear(encoded, f"decoder/layer_{i}/attention/linear_1").chunk(2, -1) for i in range(self.layers)]
        tokens = torch.tensor([self.prompt] * len(waves), device=self.device)
        done = torch.zeros(len(waves), dtype=torch.bool, device=self.device)
        for t in range(limit):
            scores = self.decode(tokens, memory)
            scores[:, self.end + 1:] = -1e9
            if t == 0:
                scores[:, self.end] = -1e9
            best = torch.where(done, self.end, scores.argmax(-1))
            done |= best == self.end
            tokens = torch.cat([tokens, best[:, None]], 1)
            if bool(done.all()):
                break
        out = []
        for row in tokens[:, len(self.prompt):].tolist():
            text = "".join(self.vocabulary[i] for i in row if i < self.end)
            out.append(bytes(self.bytes[c] for c in text if c in self.bytes).decode("utf8", "replace").strip())
        return out
