"""Packs a trained draft model as a GGUF file with Q4_1 matrices and the target's tokenizer.

    python pack_draft.py --gguf MODEL --trained draft --out draft.gguf
"""

import argparse
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import quantize

HEADS, KV, THETA, EPS = 4, 2, 100000.0, 1e-5
NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up",
         "down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def pairs(x, heads):
    """GGUF keeps the rows of queries and keys in pairs, not in halves."""
    return x.reshape(heads, 2, -1, x.shape[-1]).swapaxes(1, 2).reshape(x.shape)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "trained", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    a = arguments.parse_args()
    w = {k: v.astype(np.float32) for k, v in np.load(a.trained / "layers.npz").items()}
    embed = np.concatenate([np.load(a.trained / f"embed{i}.npz")["embed_tokens"] for i in (0, 1)]).astype(np.float32)
    layers = 1 + max(int(name.split("-")[0]) for name in w if "-" in name)
    writer = GGUFWriter(a.out, "llama")
    writer.add_name("SmolLM2 draft")
    writer.add_context_length(8192), writer.add_embedding_length(embed.shape[1]), writer.add_block_count(layers)
    writer.add_feed_forward_length(len(w["0-gate_proj"])), writer.add_head_count(HEADS), writer.add_head_count_kv(KV)
    writer.add_rope_freq_base(THETA), writer.add_layer_norm_rms_eps(EPS), writer.add_rope_dimension_count(embed.shape[1] // HEADS)
    writer.add_vocab_size(len(embed)), writer.add_file_type(3)
    for name, field in GGUFReader(a.gguf).fields.items():
        if name.startswith("tokenizer."):
            inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], inner)

    def add(name, x):
        if x.ndim == 1:
            return writer.add_tensor(name, x)
        writer.add_tensor(name, quantize(x, GGMLQuantizationType.Q4_1), raw_dtype=GGMLQuantizationType.Q4_1)

    add("token_embd.weight", embed), add("output_norm.weight", w["norm"])
    for i in range(layers):
        for name, theirs in NAMES.items():
            x = w[f"{i}-{name}"]
            x = pairs(x, HEADS) if name == "q_proj" else pairs(x, KV) if name == "k_proj" else x
            add(f"blk.{i}.{theirs}.weight", x)
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file()
    writer.close()
    print(a.out, a.out.stat().st_size)
