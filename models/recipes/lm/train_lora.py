"""Trains a LoRA adapter (PEFT layout) on questions with answers, and measures it against the bare model.

    python train_lora.py --gguf MODEL --examples rugby.json --steps 300 --out touch-rugby-lora

`examples`: {"train": [[prompt tokens, answer tokens], ...], "held_out": [...]}, prompts up to where the answer starts. Only
answers count in the loss, and with `--prompt-weight` the prompts a little, too (a list of chess moves teaches moves).
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from llama import Llama
from tokenizer import END


def from_gguf(path, device):
    """The model as transformers has it, in 32-bit floats."""
    w = Llama(path)
    config = LlamaConfig(vocab_size=len(w.embed), hidden_size=w.hidden, intermediate_size=w.layers[0]["down"].shape[1],
                         num_hidden_layers=w.n_layers, num_attention_heads=w.heads, num_key_value_heads=w.kv, max_position_embeddings=8192,
                         rms_norm_eps=w.eps, rope_parameters={"rope_type": "default", "rope_theta": w.theta}, tie_word_embeddings=True,
                         bos_token_id=1, eos_token_id=2, pad_token_id=2)
    state = {"model.embed_tokens.weight": w.embed, "lm_head.weight": w.embed, "model.norm.weight": w.norm}
    for i, layer in enumerate(w.layers):
        q, k, v = layer["qkv"].split([w.heads * w.hd, w.kv * w.hd, w.kv * w.hd])
        gate, up = layer["up"].chunk(2)
        of = f"model.layers.{i}."
        state |= {of + "self_attn.q_proj.weight": q, of + "self_attn.k_proj.weight": k, of + "self_attn.v_proj.weight": v,
                  of + "self_attn.o_proj.weight": layer["o"], of + "mlp.gate_proj.weight": gate, of + "mlp.up_proj.weight": up,
                  of + "mlp.down_proj.weight": layer["down"], of + "input_layernorm.weight": layer["n1"], of + "post_attention_layernorm.weight": layer["n2"]}
    model = LlamaForCausalLM(config)
    model.load_state_dict(state)
    return model.to(device)


def batch(examples, device, prompt_weight=0.0):
    longest = max(len(p) + len(a) for p, a in examples)
    ids = torch.full((len(examples), longest), END)
    weight = torch.zeros(len(examples), longest)
    for i, (prompt, answer) in enumerate(examples):
        ids[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        weight[i, : len(prompt)] = prompt_weight
        weight[i, len(prompt) : len(prompt) + len(answer)] = 1.0
    return ids.to(device), weight.to(device)


def losses(model, ids, weight):
    logits = model(ids).logits[:, :-1].float()
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)
    return (loss * weight[:, 1:]).sum() / weight[:, 1:].sum().clamp(min=1)


@torch.no_grad()
def held_out_loss(model, examples, device):
    """Mean negative log-likelihood per token of the right answers."""
    total, n = 0.0, 0
    for i in range(0, len(examples), 64):
        ids, weight = batch(examples[i : i + 64], device)
        count = weight[:, 1:].sum().item()
        total, n = total + losses(model, ids, weight).item() * count, n + count
    return total / n


@torch.no_grad()
def answers(model, examples, device, most):
    """Greedy answers, as tokens without the end."""
    out = []
    for i in range(0, len(examples), 128):
        prompts = [p for p, _ in examples[i : i + 128]]
        longest = max(map(len, prompts))
        # padded in front, so that all answers start in the same column
        ids = torch.tensor([[END] * (longest - len(p)) + p for p in prompts], device=device)
        seen = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        made = model.generate(input_ids=ids, attention_mask=seen, do_sample=False, max_new_tokens=most, pad_token_id=END, eos_token_id=END)
        out += [row[: row.index(END)] if END in row else row for row in made[:, longest:].tolist()]
    return out


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "examples", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--steps", type=int, default=300)
    arguments.add_argument("--seconds", type=float, help="instead of --steps: as many as fit, by the rate of the first ones")
    arguments.add_argument("--rows", type=int, default=32)
    arguments.add_argument("--rate", type=float, default=1e-3)
    arguments.add_argument("--rank", type=int, default=8)
    arguments.add_argument("--alpha", type=float, default=16)
    arguments.add_argument("--rslora", action="store_true")
    arguments.add_argument("--dropout", type=float, default=0.05)
    arguments.add_argument("--prompt-weight", type=float, default=0.0)
    arguments.add_argument("--most", type=int, default=80, help="tokens of a greedy answer")
    arguments.add_argument("--answered", type=int, default=200, help="held-out questions to answer")
    a = arguments.parse_args()
    began = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(8)
    examples = json.loads(a.examples.read_text())
    train, held_out = examples["train"], examples["held_out"]
    base = from_gguf(a.gguf, device)
    result = {"held-out loss of the bare model": held_out_loss(base, held_out, device)}
    bare = answers(base, held_out[: a.answered], device, a.most)
    model = get_peft_model(base, LoraConfig(r=a.rank, lora_alpha=a.alpha, lora_dropout=a.dropout, use_rslora=a.rslora, task_type="CAUSAL_LM",
                                            target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]))
    weights = [w for w in model.parameters() if w.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=a.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=device == "cuda")
    order, steps, step, rate_from = [], a.steps, 0, None
    while step < steps:
        model.train()
        if a.seconds is not None and step in (20, 70):
            if step == 20:
                rate_from = time.time()
            else:
                steps = max(100, int(70 + (a.seconds - (time.time() - began) - 25) * 50 / (time.time() - rate_from)))
                print(f"{steps} steps", flush=True)
        if len(order) < a.rows:
            order += torch.randperm(len(train)).tolist()
        rows, order = order[: a.rows], order[a.rows :]
        for group in optimiser.param_groups:
            group["lr"] = a.rate * min(1, (step + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        ids, weight = batch([train[i] for i in rows], device, a.prompt_weight)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = losses(model, ids, weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if step % 200 == 0 or step in (1, 10):
            model.eval()
            print(f"step {step} loss {loss.item():.4f} held out {held_out_loss(model, held_out, device):.4f} {time.time() - began:.1f} s", flush=True)
    model.eval()
    result |= {"held-out loss": held_out_loss(model, held_out, device), "steps": steps, "seconds": round(time.time() - began, 1)}
    result["answers"] = list(zip(bare, answers(model, held_out[: a.answered], device, a.most)))
    model.half()
    model.peft_config["default"].base_model_name_or_path = "HuggingFaceTB/SmolLM2-135M-Instruct"
    model.save_pretrained(a.out)
    (a.out / "README.md").unlink(missing_ok=True)
    (a.out / "measured.json").write_text(json.dumps(result))
    print({k: v for k, v in result.items() if k != "answers"}, flush=True)
