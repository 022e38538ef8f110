"""Makes tests/fixtures/lm/tiny-llama3: a Llama of random weights, and the logits that it should give.

    python -m venv v && v/bin/pip install numpy tokenizers "mlx[cpu]" mlx-lm
    v/bin/python scripts/make_llama_fixture.py tests/fixtures/lm/tiny-llama3

Its heads are shaped as those of Llama 3.1 8B (128 dimensions, four query heads to a key/value head);
all else is as narrow as it can be. The folder is laid out as on Hugging Face, in two shards and three
number formats. `expected.json` has variants of the configuration (rotary embedding scaled as Llama 3.1
does it, scaled linearly, embedding tied to the head) and the logits of each.

The reference below is written from the papers, in double precision, with keys and values rounded to
half precision as Formant keeps them. Before it is believed it must agree, without that rounding, with
mlx-lm's Llama on the same files.
"""

import json
import math
import pathlib
import sys

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN, LAYERS, VOCAB = 64, 4, 1, 128, 96, 2, 320
CONTEXT = 512
N_TOKENS = 64
ROWS = [0, 21, 63]
SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
TEXT = """From fairest creatures we desire increase, that thereby beauty's rose might never die.
The lighthouse at Cape Wrath was built in 1828 by Robert Stevenson. It stands 400 feet above the sea.
A formant is a peak in the spectrum of a voice; the first two tell one vowel from another.
Keepers lived there until 1998, and the sea, the sea, the sea was all they saw."""
TEMPLATE = (
    "{{- bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    # Short, so that a short prompt tells scaled from unscaled.
    "original_max_position_embeddings": 64,
}
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False,
    "bos_token_id": 315, "eos_token_id": [316, 319], "head_dim": HEAD_DIM, "hidden_act": "silu",
    "hidden_size": HIDDEN, "intermediate_size": FFN, "max_position_embeddings": CONTEXT,
    "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "num_key_value_heads": KV_HEADS,
    "rms_norm_eps": 1e-5, "rope_scaling": LLAMA3, "rope_theta": 500000.0, "tie_word_embeddings": False,
    "torch_dtype": "bfloat16", "vocab_size": VOCAB,
}
VARIANTS = {
    "llama3": {},
    "linear": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "plain": {"rope_scaling": None},
    "tied": {"tie_word_embeddings": True},
}


def weights(rng):
    """Names as on Hugging Face, with values that bfloat16 and half precision hold exactly."""

    def matrix(n_out, n_in, spread):
        # Seven bits of mantissa suit both formats.
        values = rng.normal(0, spread, (n_out, n_in)).astype(np.float32)
        return bf16_values(values)

    tensors = {"model.embed_tokens.weight": matrix(VOCAB, HIDDEN, 0.5)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        tensors[name + "input_layernorm.weight"] = (1 + 0.1 * rng.normal(size=HIDDEN)).astype(np.float32)
        tensors[name + "self_attn.q_proj.weight"] = matrix(HEADS * HEAD_DIM, HIDDEN, 0.15)
        tensors[name + "self_attn.k_proj.weight"] = matrix(KV_HEADS * HEAD_DIM, HIDDEN, 0.15)
        tensors[name + "self_attn.v_proj.weight"] = matrix(KV_HEADS * HEAD_DIM, HIDDEN, 0.1)
        tensors[name + "self_attn.o_proj.weight"] = matrix(HIDDEN, HEADS * HEAD_DIM, 0.05)
        tensors[name + "post_attention_layernorm.weight"] = (1 + 0.1 * rng.normal(size=HIDDEN)).astype(np.float32)
        tensors[name + "mlp.gate_proj.weight"] = matrix(FFN, HIDDEN, 0.15)
        tensors[name + "mlp.up_proj.weight"] = matrix(FFN, HIDDEN, 0.15)
        tensors[name + "mlp.down_proj.weight"] = matrix(HIDDEN, FFN, 0.1)
    tensors["model.norm.weight"] = (1 + 0.1 * rng.normal(size=HIDDEN)).astype(np.float32)
    tensors["lm_head.weight"] = matrix(VOCAB, HIDDEN, 0.1)
    return tensors


def bf16_values(values):
    """The nearest values below that bfloat16 holds, and zero for what half precision would not."""
    cut = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    return np.where(np.abs(cut) < 2.0**-14, np.float32(0), cut)


def write_shards(folder, tensors):
    """Norms in F32, layer 1 and the head in F16, the rest in BF16; each layer in a file of its own."""
    files, weight_map = {}, {}
    for name, values in tensors.items():
        file = "model-00002-of-00002.safetensors" if "layers.1." in name or "lm_head" in name else "model-00001-of-00002.safetensors"
        files.setdefault(file, {})[name] = values
        weight_map[name] = file
    for file, held in files.items():
        write_safetensors(folder / file, held)
    total = sum(v.size * (4 if v.ndim == 1 else 2) for v in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def write_safetensors(path, tensors):
    """By hand, since NumPy has no bfloat16."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, values in sorted(tensors.items()):
        if values.ndim == 1:
            dtype, raw = "F32", values.astype("<f4").tobytes()
        elif "layers.1." in name or "lm_head" in name:
            dtype, raw = "F16", values.astype("<f2").tobytes()
        else:
            dtype, raw = "BF16", (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def frequencies(config):
    """Radians a position, for each pair: <https://arxiv.org/abs/2407.21783>, section 3.2, and Meta's code."""
    scaling = config["rope_scaling"] or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    result = []
    for pair in range(HEAD_DIM // 2):
        f = config["rope_theta"] ** (-2 * pair / HEAD_DIM)
        if kind == "linear":
            f /= scaling["factor"]
        elif kind == "llama3":
            length = 2 * math.pi / f
            old = scaling["original_max_position_embeddings"]
            low, high = old / scaling["low_freq_factor"], old / scaling["high_freq_factor"]
            if length > low:
                f /= scaling["factor"]
            elif length >= high:
                smooth = (old / length - scaling["low_freq_factor"]) / (scaling["high_freq_factor"] - scaling["low_freq_factor"])
                f = (1 - smooth) * f / scaling["factor"] + smooth * f
        result.append(f)
    return np.array(result)


def forward(config, tensors, tokens, halve):
    """Logits of every token, `(n_tokens, vocab)`; `halve` rounds what a cache of half precision would."""
    w = {name: values.astype(np.float64) for name, values in tensors.items()}

    def norm(x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weight

    n = len(tokens)
    angles = np.arange(n)[:, None] * frequencies(config)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]

    def rotate(x):
        """Hugging Face's order: the pairs are (i, i + half)."""
        a, b = x[..., : HEAD_DIM // 2], x[..., HEAD_DIM // 2 :]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    x = w["model.embed_tokens.weight"][tokens]
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        h = norm(x, w[name + "input_layernorm.weight"])
        q = rotate((h @ w[name + "self_attn.q_proj.weight"].T).reshape(n, HEADS, HEAD_DIM))
        k = halve(rotate((h @ w[name + "self_attn.k_proj.weight"].T).reshape(n, KV_HEADS, HEAD_DIM)))
        v = halve((h @ w[name + "self_attn.v_proj.weight"].T).reshape(n, KV_HEADS, HEAD_DIM))
        out = np.zeros((n, HEADS, HEAD_DIM))
        for head in range(HEADS):
            kv = head // (HEADS // KV_HEADS)
            scores = q[:, head] @ k[:, kv].T / math.sqrt(HEAD_DIM)
            scores[np.triu_indices(n, 1)] = -np.inf
            p = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, head] = p / p.sum(-1, keepdims=True) @ v[:, kv]
        x = x + out.reshape(n, -1) @ w[name + "self_attn.o_proj.weight"].T
        h = norm(x, w[name + "post_attention_layernorm.weight"])
        gate = h @ w[name + "mlp.gate_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w[name + "mlp.up_proj.weight"].T)) @ w[name + "mlp.down_proj.weight"].T
    head = "model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"
    return norm(x, w["model.norm.weight"]) @ w[head].T


def by_mlx(config, tensors, tokens):
    """The same by mlx-lm, in single precision."""
    import mlx.core as mx
    from mlx_lm.models.llama import Model, ModelArgs

    mx.set_default_device(mx.cpu)
    model = Model(ModelArgs.from_dict(config))
    weights = {name: mx.array(values) for name, values in tensors.items()}
    model.load_weights(list(model.sanitize(weights).items()))
    return np.array(model(mx.array([tokens]))[0]).astype(np.float64)


def tokenizer():
    """As Llama 3's: byte-level, with its pattern, and a first token that a post-processor adds."""
    made = Tokenizer(models.BPE(ignore_merges=True))
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - len(SPECIALS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator([TEXT], trainer)
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    bos = made.token_to_id(SPECIALS[0])
    assert (bos, made.get_vocab_size()) == (CONFIG["bos_token_id"], VOCAB)
    made.post_processor = processors.TemplateProcessing(single=f"{SPECIALS[0]} $A", special_tokens=[(SPECIALS[0], bos)])
    return made


CASES = [
    "Hello world", "Hello, world! 12345\n\n  It's", "naïve café — ✓", "", " ", "the sea\n", "I'LL 1998",
    "<|eot_id|>x<|start_header_id|>user", "日本語 🙂 مرحبا",
]


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(31)
    tensors = weights(rng)
    write_shards(folder, tensors)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    generation = {"bos_token_id": 315, "eos_token_id": [316, 319], "do_sample": True, "temperature": 0.6, "top_p": 0.9}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    beside = {"bos_token": SPECIALS[0], "eos_token": {"content": SPECIALS[4]}, "model_max_length": CONTEXT, "clean_up_tokenization_spaces": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(beside, indent=1) + "\n")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    rules = tokenizer()
    rules.save(str(folder / "tokenizer.json"), pretty=False)

    tokens = [315] + rng.integers(0, VOCAB, N_TOKENS - 1).tolist()
    variants, all_logits = [], {}
    for name, changes in VARIANTS.items():
        config = CONFIG | changes
        ours, theirs = forward(config, tensors, tokens, lambda x: x), by_mlx(config, tensors, tokens)
        assert np.abs(ours - theirs).max() < 5e-5, f"{name}: {np.abs(ours - theirs).max()}"
        logits = forward(config, tensors, tokens, lambda x: x.astype(np.float16).astype(np.float64))
        print(f"{name}: {np.abs(ours - theirs).max():.1e} from mlx-lm, {np.abs(ours - logits).max():.1e} by rounding, spread {logits.std():.2f}")
        all_logits[name] = logits
        variants.append({"name": name, "changes": changes, "logits": [[round(float(x), 7) for x in logits[row]] for row in ROWS]})
    # A test that any rotary embedding would pass is none.
    for name in ["linear", "plain", "tied"]:
        assert np.abs(all_logits[name] - all_logits["llama3"])[ROWS[1:]].max() > 0.05, name

    cases = [{"text": text, "ids": rules.encode(text, add_special_tokens=False).ids} for text in CASES]
    expected = {"tokens": tokens, "rows": ROWS, "variants": variants, "cases": cases}
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


main(pathlib.Path(sys.argv[1]))
