"""Writes a model of two layers as wide as Llama 3.1 8B's, with random Q4_K weights: to measure how fast
layers of that size are without eight gigabytes of file.

    pip install gguf
    python llama_8b_shaped.py VOCABULARY.gguf OUT.gguf
    formant bench engine --file OUT.gguf --only decode,verify --peer llama.cpp ...

Vocabulary, merges and chat template are taken from VOCABULARY.gguf (any GPT-2 style model, such as
SmolLM2). What it says is noise; how long that takes is not.
"""

import sys

import gguf
import numpy as np

N_LAYERS, N_EMBD, N_FF, N_HEADS, N_KV_HEADS, HEAD_DIM = 2, 4096, 14336, 32, 8, 128
# A block of 256 weights: two half-precision factors, twelve bytes of scales and minima, nibbles.
BLOCK, BLOCK_BYTES = 256, 144


def weights(random, n_out, n_in):
    """Q4_K blocks whose weights have about zero mean and the deviation of a usual initialization."""
    n_blocks = n_out * n_in // BLOCK
    blocks = random.integers(0, 256, (n_blocks, BLOCK_BYTES), dtype=np.uint8)
    # Quants average 7.5 and deviate by 4.6, scales and minima average 31.
    scale = 1.0 / np.sqrt(n_in) / (4.6 * 31)
    factors = np.tile(np.array([scale, 7.5 * scale], dtype=np.float16), (n_blocks, 1))
    blocks[:, :4] = factors.view(np.uint8)
    return blocks.reshape(n_out, n_in // BLOCK * BLOCK_BYTES)


def main(vocabulary, out):
    known = gguf.GGUFReader(vocabulary)
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("Two layers in the shape of Llama 8B")
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(8192)
    writer.add_embedding_length(N_EMBD)
    writer.add_feed_forward_length(N_FF)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500000.0)
    writer.add_rope_dimension_count(HEAD_DIM)
    for field in known.fields.values():
        if field.name.startswith("tokenizer."):
            writer.add_key_value(field.name, field.contents(), field.types[0],
                                 field.types[1] if len(field.types) > 1 else None)
    n_vocab = len(known.fields["tokenizer.ggml.tokens"].data)

    random = np.random.default_rng(1)

    def add(name, n_out, n_in):
        writer.add_tensor(name, weights(random, n_out, n_in), raw_dtype=gguf.GGMLQuantizationType.Q4_K)

    def add_norm(name):
        writer.add_tensor(name, np.ones(N_EMBD, dtype=np.float32))

    add("token_embd.weight", n_vocab, N_EMBD)
    add_norm("output_norm.weight")
    for layer in range(N_LAYERS):
        add_norm(f"blk.{layer}.attn_norm.weight")
        add_norm(f"blk.{layer}.ffn_norm.weight")
        add(f"blk.{layer}.attn_q.weight", N_HEADS * HEAD_DIM, N_EMBD)
        add(f"blk.{layer}.attn_k.weight", N_KV_HEADS * HEAD_DIM, N_EMBD)
        add(f"blk.{layer}.attn_v.weight", N_KV_HEADS * HEAD_DIM, N_EMBD)
        add(f"blk.{layer}.attn_output.weight", N_EMBD, N_HEADS * HEAD_DIM)
        add(f"blk.{layer}.ffn_gate.weight", N_FF, N_EMBD)
        add(f"blk.{layer}.ffn_up.weight", N_FF, N_EMBD)
        add(f"blk.{layer}.ffn_down.weight", N_EMBD, N_FF)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
