"""Small random models with their answers, for the tests in Rust: `tests/fixtures/lm/{eagle3,peft}`.

    python make_fixtures.py --out ../../../tests/fixtures/lm
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from eagle import Head, Shape, draft_tree, truncate

VOCABULARY = 96


def rounded(x):
    return [[round(v, 6) for v in row] for row in x.tolist()]


def eagle3(out):
    """A head, its inputs, and what it answers to a prefill, a chain, a tree and the round after."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    shape = Shape(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2,
                  vocab_size=VOCABULARY, draft_vocab_size=48, max_position_embeddings=128, taps=[2, 4, 5])
    head = Head(shape).eval().requires_grad_(False)
    for name, weight in head.named_parameters():
        weight.copy_((torch.rand_like(weight) + 0.5 if weight.dim() == 1 else weight * 1.5).half().float())
    head.lm_head.weight.mul_(4)  # sure enough of itself that the tree grows deep
    draftable = torch.randperm(VOCABULARY)[:48].sort().values
    head.d2t.copy_(draftable - torch.arange(48))
    tensors = {k: v.contiguous() if k == "d2t" else v.half().contiguous() for k, v in head.state_dict().items()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    t2d = torch.zeros(VOCABULARY, dtype=torch.bool)
    t2d[draftable] = True
    torch.save(tensors | {"t2d": t2d}, out / "pytorch_model.bin")
    (out / "config.json").write_text(json.dumps(shape.config(), indent=1) + "\n")

    n, more = 7, 3
    embed = torch.randn(VOCABULARY, 64).half().float()
    features = torch.randn(n + more, 3 * 64).half().float()
    tokens = torch.randint(0, VOCABULARY, (n + 1,))
    save_file({"embed_tokens.weight": embed, "features": features}, out / "inputs.safetensors")

    cache = []
    logits, h2 = head(embed[tokens[1:]], features[:n], torch.arange(n), cache)
    expected = {"tokens": tokens.tolist(), "features_prefill": n,
                "prefill": {"logits": rounded(logits), "h2": rounded(h2)}, "chain": []}
    last, feature = logits[-1], h2[-1:]
    tree = draft_tree(head, embed, last, feature[0], cache, position=n, width=4, depth=3, budget=12)
    expected["tree"] = {"top_k": 4, "depth": 3, "nodes": 12, "tokens": tree[0], "parents": tree[1],
                        "log_probabilities": [round(lp, 6) for lp in tree[2]]}
    for step in range(4):
        row = int(last.argmax())
        token = row + int(head.d2t[row])
        logits, h2 = head(embed[[token]], feature, torch.tensor([n + step]), cache)
        expected["chain"].append({"token": token, "position": n + step, "logits": rounded(logits)[0], "h2": rounded(h2)[0]})
        last, feature = logits[0], h2
    # the target accepted two of the drafts and added a token of its own
    truncate(cache, n)
    tokens = [expected["chain"][0]["token"], expected["chain"][1]["token"], 5]
    logits, h2 = head(embed[tokens], features[n:], torch.arange(n, n + more), cache)
    expected["next_round"] = {"tokens": tokens, "position": n, "logits": rounded(logits), "h2": rounded(h2)}
    (out / "expected.json").write_text(json.dumps(expected) + "\n")


def tokenizer():
    """One token a printable character, and an end."""
    symbols = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocab = {symbols.pre_tokenize_str(chr(32 + i))[0][0]: i for i in range(95)}
    made = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    made.pre_tokenizer, made.decoder = symbols, decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|end|>", special=True)])
    return made


def peft(out):
    """A Llama with three adapters, and the logits of each on the same tokens."""
    shutil.rmtree(out, ignore_errors=True)
    torch.manual_seed(4)
    config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
                         bos_token_id=95, eos_token_id=95, pad_token_id=None, tie_word_embeddings=False,
                         rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    base = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for weight in base.parameters():
            weight.copy_((torch.rand_like(weight) + 0.5 if weight.dim() == 1 else torch.randn_like(weight) * 0.15).half().float())
    LlamaForCausalLM(config).half().save_pretrained(out / "base")
    # not base.half(): that would round the frequencies of RoPE, too
    save_file({k: v.half().contiguous() for k, v in base.state_dict().items()}, out / "base" / "model.safetensors",
              metadata={"format": "pt"})
    written = json.loads((out / "base" / "config.json").read_text())
    written |= {"rope_theta": 10000.0, "torch_dtype": "float16"}
    (out / "base" / "config.json").write_text(json.dumps(written, indent=1) + "\n")
    tokenizer().save(str(out / "base" / "tokenizer.json"))
    (out / "base" / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|end|>", "model_max_length": 128, "clean_up_tokenization_spaces": False}) + "\n")
    tokens = torch.randint(0, VOCABULARY, (24,))

    def answer(model):
        with torch.no_grad():
            return rounded(model(tokens[None]).logits[0])

    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    kinds = {
        "plain": LoraConfig(r=4, lora_alpha=4, target_modules=linear, task_type="CAUSAL_LM"),
        "rslora": LoraConfig(r=4, lora_alpha=8, target_modules=linear, task_type="CAUSAL_LM", use_rslora=True,
                             rank_pattern={"q_proj": 8, "layers.1.mlp.down_proj": 2}, alpha_pattern={"o_proj": 3, "q_proj": 12}),
        "query_value": LoraConfig(r=2, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    }
    expected = {"tokens": tokens.tolist(), "logits": {"base": answer(base)}}
    for name, kind in kinds.items():
        adapted = get_peft_model(base, kind)
        with torch.no_grad():
            for key, weight in adapted.named_parameters():
                if "lora_" in key:
                    weight.copy_(torch.randn_like(weight) * 0.2)
        adapted.peft_config["default"].base_model_name_or_path = "base"
        adapted.save_pretrained(out / name)
        written = json.loads((out / name / "adapter_config.json").read_text())
        written["target_modules"].sort()
        (out / name / "adapter_config.json").write_text(json.dumps(written, indent=1) + "\n")
        (out / name / "README.md").unlink(missing_ok=True)
        expected["logits"][name] = answer(adapted.eval())
        base = adapted.unload()
    (out / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=Path, required=True)
    out = arguments.parse_args().out
    eagle3(out / "eagle3")
    peft(out / "peft")
