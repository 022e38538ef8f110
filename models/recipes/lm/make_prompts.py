"""Questions for the target model: copying, summaries, edits of code, answers from a text, open chat.

    python make_prompts.py --gguf MODEL --sonnets sonnet.txt --sentences corpus.tsv --out prompts.npz

Texts: Shakespeare's sonnets (public domain), sentences of the voice's corpus (its licences: ../README.md), Python's
language reference and the source and docstrings of its standard library (PSF), NumPy and SciPy (BSD). Sources whose name
hashes to a twentieth are held out, with the questions of `CHAT_HELD_OUT`.
"""

import argparse
import ast
import inspect
import random
import re
import sysconfig
import textwrap
import zlib
from pathlib import Path

import numpy as np

from tokenizer import chat, from_gguf

KINDS = ["copy", "summarise", "edit code", "answer from a document", "open chat"]

COPY = ["Repeat the following text exactly:\n\n{}", "Copy this text word for word:\n\n{}", "Please write out this text again without any changes.\n\n{}",
        "{}\n\nRepeat the text above.", "Type the following again, exactly as it is:\n{}", "Return this text unchanged:\n\n{}"]
COPY_CODE = ["Repeat this code exactly:\n\n```python\n{}\n```", "Print the following code without changes:\n\n```python\n{}\n```"]
SUMMARISE = ["Summarize the following text:\n\n{}", "Summarize this in two sentences.\n\n{}", "Give a short summary of this text:\n\n{}",
             "{}\n\nWhat are the main points of the text above?", "Write a summary of the passage below.\n\n{}", "TL;DR of the following:\n\n{}",
             "Explain the key ideas of this text in a few sentences:\n\n{}"]
EDIT = ["Add a docstring to this function:\n\n```python\n{}\n```", "Add type hints to this code:\n\n```python\n{}\n```",
        "Add comments to the following code:\n\n```python\n{}\n```", "Rename the function `{name}` to `{new}` in this code:\n\n```python\n{}\n```",
        "Rewrite this code and rename `{name}` to `{new}`.\n\n```python\n{}\n```", "Refactor this function to make it more readable:\n\n```python\n{}\n```",
        "Rename the variable `{var}` to `{newvar}`:\n\n```python\n{}\n```", "Add error handling to this code:\n\n```python\n{}\n```",
        "Add a print statement at the start of this function:\n\n```python\n{}\n```"]
ANSWER = ["{}\n\nAccording to the text, what is {term}?", "Answer the question using only the text below.\n\n{}\n\nQuestion: What does the text say about {term}?",
          "Read the text and answer the question.\n\nText: {}\n\nQuestion: How is {term} used?", "Context: {}\n\nQuestion: What is the text about?\nAnswer:",
          "{}\n\nBased on this document, explain {term}.", "Use the document to answer.\n\nDocument:\n{}\n\nQuestion: Why is {term} mentioned?"]
CHAT = ["What is {}?", "Explain {} to a child.", "Write a short story about {}.", "Tell me about {}.", "Give me five tips about {}.", "Write a poem about {}.",
        "What are the benefits of {}?", "How does {} work?", "What should I know about {}?", "Write an email to a friend about {}.", "List ten facts about {}.",
        "Why is {} important?", "What is the history of {}?", "Can you give me an example of {}?", "Write a paragraph about {}.", "What are the pros and cons of {}?",
        "How can I learn more about {}?", "Describe {} in three sentences.", "Write a dialogue between two people about {}.", "What are common mistakes with {}?"]
TOPICS = """photosynthesis; gravity; the Roman Empire; baking bread; learning to swim; machine learning; climate change; the ocean; a lost dog; chess; jazz music; the moon;
volcanoes; recycling; yoga; electric cars; Python programming; the water cycle; good sleep; public speaking; a rainy day; friendship; the French Revolution; black holes;
gardening; coffee; vegetarian cooking; bees; the Internet; budgeting; running a marathon; the brain; antibiotics; solar power; dinosaurs; Shakespeare; a job interview;
time management; the stock market; DNA; bicycles; a trip to Japan; bridges; meditation; photography; honesty; the Great Wall of China; vaccines; a small village; winter;
earthquakes; the human heart; tea; sailing; artificial intelligence; a birthday party; painting with watercolours; the periodic table; libraries; mountains; a robot;
databases; the Renaissance; healthy breakfasts; learning a language; a dragon; democracy; the speed of light; whales; knitting; camping; sorting algorithms; a lighthouse;
inflation; the immune system; rainbows; a long train journey; wind power; the Olympic Games; potatoes; clouds; a detective; probability; coral reefs; houseplants; a school play;
space travel; the Silk Road; making friends; pottery; rivers; an old clock; cryptography; the number zero; ants; remote work; a thunderstorm; the violin; glaciers; HTML"""
CHAT_HELD_OUT = ["How do I make a good cup of hot chocolate?", "Why do cats purr?", "Write a short poem about autumn leaves.", "What is the difference between a comet and an asteroid?",
                 "Give me three ideas for a weekend in the mountains.", "Explain recursion with a simple example.", "My friend is sad. What can I say to cheer her up?",
                 "Who was Marie Curie?", "Write a Python function that checks whether a word is a palindrome.", "What should I pack for a day at the beach?"]


def held_out(name):
    return zlib.crc32(name.encode()) % 20 == 0


def passages(text, dice, words=(40, 170)):
    """Consecutive paragraphs of a length drawn at random."""
    found, want = [], dice.randint(*words)
    current = []
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = paragraph.strip("\n")
        if len(paragraph) > 1800 or not re.search(r"[a-z]{3}", paragraph):
            continue
        current.append(paragraph)
        if sum(len(p.split()) for p in current) >= want:
            found.append("\n\n".join(current))
            current, want = [], dice.randint(*words)
    return found


def texts_and_code(sonnets, sentences, dice):
    """(source, passage) and (source, function, name) of everything that may be read."""
    from pydoc_data.topics import topics

    texts, code = [], []
    for name, text in topics.items():
        texts += [(name, p) for p in passages(text, dice)]
    lines = sonnets.read_text().splitlines()
    for i in range(0, len(lines) - 14, 7):
        texts.append((f"sonnet{i // 42}", "\n".join(lines[i : i + dice.choice([4, 8, 14])])))
    rows = [r.split("\t") for r in sentences.read_text().splitlines()]
    for source in ["austen", "kjv", "jargon", "wordnet-example", "devil", "composed-template"]:
        own = [r[2] for r in rows if r[1] == source]
        for i in range(0, len(own) - 8, 8):
            texts.append((f"{source}{i // 64}", " ".join(own[i : i + dice.randint(3, 8)])))
    library = Path(sysconfig.get_paths()["stdlib"])
    import numpy, scipy
    files = [f for f in library.rglob("*.py") if "test" not in str(f) and "site-packages" not in f.parts and "idlelib" not in f.parts]
    for package in (numpy, scipy):
        files += [f for f in Path(package.__file__).parent.rglob("*.py") if "test" not in str(f)]
    for file in sorted(files):
        try:
            source = file.read_text()
            tree = ast.parse(source)
        except (UnicodeDecodeError, SyntaxError, ValueError):
            continue
        name = f"{file.parent.name}/{file.name}"
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                doc = ast.get_docstring(node)
                if doc and len(doc) > 200:
                    texts += [(name, p) for p in passages(doc, dice)]
            if isinstance(node, ast.FunctionDef) and 3 <= node.end_lineno - node.lineno <= 22:
                lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
                variables = sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})
                code.append((name, textwrap.dedent("\n".join(lines)), node.name, dice.choice(variables) if variables else None))
    return texts, code


def question(kind, texts, code, topics, dice):
    if kind == "copy" and dice.random() < 0.75:
        return dice.choice(COPY).replace("{}", dice.choice(texts)[1])
    if kind == "copy":
        return dice.choice(COPY_CODE).replace("{}", dice.choice(code)[1])
    if kind == "summarise":
        return dice.choice(SUMMARISE).replace("{}", dice.choice(texts)[1])
    if kind == "edit code":
        _, function, name, variable = dice.choice([c for c in dice.choices(code, k=8) if c[3]] or [code[0]])
        words = ["compute", "load", "process", "check", "update", "build", "make", "read", "find", "run"]
        new, new_variable = f"{dice.choice(words)}_{dice.choice(['items', 'value', 'result', 'text', 'entry', name.strip('_')])}", dice.choice(["result", "item", "value", "count", "entry", "total"])
        ask = dice.choice(EDIT).replace("{name}", name).replace("{newvar}", new_variable).replace("{new}", new).replace("{var}", variable or name)
        return ask.replace("{}", function)
    if kind == "answer from a document":
        passage = dice.choice(texts)[1]
        terms = [w for w in re.findall(r"[A-Za-z_]{5,}", passage)]
        return dice.choice(ANSWER).replace("{term}", dice.choice(terms or ["it"])).replace("{}", passage)
    return dice.choice(CHAT).replace("{}", dice.choice(topics))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "sonnets", "sentences", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--prompts", type=int, default=14000)
    arguments.add_argument("--longest", type=int, default=320)
    a = arguments.parse_args()
    dice, tokenizer = random.Random(7), from_gguf(str(a.gguf))
    texts, code = texts_and_code(a.sonnets, a.sentences, dice)
    topics = [t.strip() for t in TOPICS.replace("\n", " ").split(";")]
    nouns = [w for _, t in texts if t and dice.random() < 0.3 for w in re.findall(r"\b[a-z]{6,11}s\b", t)[:1]]
    out = {}
    for name, count, pick in [("train", a.prompts, lambda s: not held_out(s)), ("held_out", 50, held_out)]:
        own_texts, own_code = [t for t in texts if pick(t[0])], [c for c in code if pick(c[0])]
        rows, kinds = [], []
        shares = [0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4] if name == "train" else [0, 1, 2, 3]
        while len(rows) < (count if name == "train" else 40):
            kind = dice.choice(shares) if name == "train" else len(rows) // 10
            asked = question(KINDS[kind], own_texts, own_code, topics + nouns, dice)
            ids = tokenizer.encode(chat(asked)).ids
            if len(ids) <= a.longest:
                rows.append(ids)
                kinds.append(kind)
        if name == "held_out":
            rows += [tokenizer.encode(chat(q)).ids for q in CHAT_HELD_OUT]
            kinds += [4] * 10
        out |= {f"{name}_ids": np.concatenate(rows).astype(np.uint16), f"{name}_lengths": np.array([len(r) for r in rows], np.uint16),
                f"{name}_kinds": np.array(kinds, np.uint8)}
        print(name, len(rows), "prompts,", len(own_texts), "texts,", len(own_code), "functions,", out[f"{name}_ids"].size, "tokens")
    out["user"] = np.array(tokenizer.encode(chat("\0").split("\0")[0]).ids, np.uint16)
    out["assistant"] = np.array(tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n").ids, np.uint16)
    np.savez_compressed(a.out, **out)
