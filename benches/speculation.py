#!/usr/bin/env python3
"""Ways to speculate on a hundred prompts of ten kinds: what each brings, and that none changes a word.

usage: speculation.py PATH_TO_FORMANT [--methods ngram,suffix,adaptive] [--prompts 10] [--tokens 500] [--repeats 1]
                      [--temperature 0] [--jobs 1] [--seconds N] [--json FILE]   (more arguments of `formant compare` behind --)

Every prompt is written by plain decoding and by each way in turns, on one thread, in a process of its own; speed is tokens per
second of processor time, all prompts of a kind together. With `--jobs` several prompts are at work at once: the verdicts
are the same then, the speeds are those of processors that share caches. After `--seconds` no further prompt is begun. Exits with 1 if any text differed.
"""

import argparse
import collections
import concurrent.futures
import json
import subprocess
import sys
import time

TEXTS = [
    "A lighthouse stands where the coast is dangerous. Its lamp turns once in ten seconds, and a lens of cut glass throws the light twenty miles out to sea. The keeper used to trim the wick every four hours; today a computer watches the lamp, and a technician comes by boat twice a year to clean the glass and to oil the gears.",
    "Bread needs flour, water, salt and yeast. The yeast eats the sugar in the flour and makes gas, and the gas is caught in a net of gluten, so that the dough rises. Cold dough rises slowly and tastes better. In the oven the crust browns first, then the inside sets, and after forty minutes the loaf sounds hollow when it is knocked.",
    "The old library of the town burned down in 1894. Nearly nine thousand books were lost, but the librarian had carried the catalogue home every evening, so that people knew what had been there. Over thirty years they bought the books back, one by one, from dealers in four countries. Today only eleven of them are still missing.",
    "Bees find their way by the sun. When a bee has found flowers she flies home and dances: the angle of her dance is the angle between the flowers and the sun, and the length of it is how far they are away. Other bees follow her in the dark of the hive, feel the dance with their antennae, and fly out to the very place.",
    "The committee met on Tuesday to discuss the new bridge. Mrs. Alvarez said that the old one would not carry lorries for more than five years. Mr. Brandt asked what it would cost, and the engineer answered: four million, or six with a lane for bicycles. The committee voted for the bicycles, seven to two, and will ask the county for the money.",
    "Sound is pressure that changes. A microphone turns the changes into a voltage, and a converter measures the voltage many thousand times a second. If a tone is higher than half of that rate it cannot be told from a lower one; therefore a filter takes such tones away before they are measured. What remains can be stored, sent and played without loss.",
    "My grandmother kept hens behind the house. Each hen had a name, and she knew them by their walk. In the evening she called them, and they came in the order of their age, the oldest first. When a fox took the oldest one, nobody came for three evenings; on the fourth the second oldest came, waited at the door, and the others followed.",
    "To plant a tree, dig a hole twice as wide as its roots and no deeper. Loosen the earth at the sides. Set the tree in, fill the hole by halves, and water it after each half. Tie the trunk to a stake, not too tightly, and cover the earth with leaves. Water it every week of the first summer, and take the stake away after two years.",
    "The train from the north arrives at platform two at half past eight. It waits for eleven minutes, because its engine is changed: the line to the south has no wires. Passengers who want to go on to the coast must use the last three carriages; the others stay in the station. In winter the dining car is closed from Monday to Thursday.",
    "Water is heaviest at four degrees. When a lake cools in autumn the cold water sinks, until all of the lake has four degrees; what gets colder then stays above and freezes. So the ice swims, and fish live below it all winter. If water were heaviest when it freezes, lakes would freeze from the bottom, and nothing in them would be left alive.",
]
CODE = [
    "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)",
    "def count_words(text):\n    counts = {}\n    for word in text.split():\n        word = word.lower()\n        counts[word] = counts.get(word, 0) + 1\n    return counts",
    "def find_longest(lines):\n    longest = \"\"\n    for line in lines:\n        if len(line) > len(longest):\n            longest = line\n    return longest",
    "def is_prime(n):\n    if n < 2:\n        return False\n    for i in range(2, int(n ** 0.5) + 1):\n        if n % i == 0:\n            return False\n    return True",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        self.items.append(item)\n\n    def pop(self):\n        return self.items.pop()",
    "def merge(a, b):\n    result = []\n    while a and b:\n        if a[0] < b[0]:\n            result.append(a.pop(0))\n        else:\n            result.append(b.pop(0))\n    return result + a + b",
    "def read_scores(path):\n    scores = []\n    with open(path) as file:\n        for line in file:\n            name, score = line.split(\",\")\n            scores.append((name, int(score)))\n    return scores",
    "def celsius(temperatures):\n    converted = []\n    for temperature in temperatures:\n        converted.append((temperature - 32) * 5 / 9)\n    return converted",
    "def flatten(nested):\n    flat = []\n    for part in nested:\n        if isinstance(part, list):\n            flat.extend(flatten(part))\n        else:\n            flat.append(part)\n    return flat",
    "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n\ndef lcm(a, b):\n    return a * b // gcd(a, b)",
]
QUESTIONS = ["How does a lighthouse warn ships?", "Why does bread rise?", "What makes a good librarian?", "How do bees talk to each other?", "How is a bridge planned?",
             "What is a sampling rate?", "Tell me about keeping hens.", "When is the best time to plant a tree?", "Why do trains change engines?", "Why does ice float?"]
KINDS = {
    "copy": lambda i: f"Repeat the following text word for word:\n\n{TEXTS[i]}",
    "change words": lambda i: f"Write this text again with every \"the\" in capital letters:\n\n{TEXTS[i]}",
    "edit code": lambda i: f"Add a docstring to this code:\n\n```python\n{CODE[i]}\n```",
    "summarise": lambda i: f"Summarise this text in two sentences:\n\n{TEXTS[i]}",
    "answer from a document": lambda i: f"{TEXTS[i]}\n\nAnswer from the text above: {QUESTIONS[i]}",
    "open chat": lambda i: QUESTIONS[i],
    "list": lambda i: f"List ten facts from this text, one a line:\n\n{TEXTS[i]}",
    "explain code": lambda i: f"Explain line by line what this does:\n\n```python\n{CODE[i]}\n```",
    "go on": lambda i: f"Go on with this text for three more paragraphs:\n\n{TEXTS[i]}",
    "dialogue": lambda i: f"Write a dialogue between two friends. One of them asks: {QUESTIONS[i]}",
}


def compare(a, prompt):
    if time.monotonic() > a.until:
        return None
    command = [a.formant, "compare", "--prompt", prompt, "--methods", a.methods, "--max-tokens", str(a.tokens), "--repeats", str(a.repeats),
               "--temperature", str(a.temperature), "--seed", "1", "--threads", "1", "--json", *a.more]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])["methods"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("formant")
    arguments.add_argument("--methods", default="ngram,suffix,adaptive")
    for name, value in [("prompts", 10), ("tokens", 500), ("repeats", 1), ("jobs", 1)]:
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--temperature", type=float, default=0.0)
    arguments.add_argument("--seconds", type=float, default=float("inf"))
    arguments.add_argument("--json")
    arguments.add_argument("more", nargs="*")
    a = arguments.parse_args()
    a.until = time.monotonic() + a.seconds
    asked = [(kind, prompt(i)) for i in range(a.prompts) for kind, prompt in KINDS.items()]
    tables = collections.defaultdict(lambda: collections.defaultdict(list))
    verdicts = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for n, ((kind, _), methods) in enumerate(zip(asked, pool.map(lambda it: compare(a, it[1]), asked))):
            if methods is None:
                continue
            for method in methods:
                rate = method["tokens_per_cpu_sec"]
                # a reply of one token has no speed
                if rate:
                    tables[method["label"]][kind].append((rate["median"], method["counts"]))
                verdicts[method["label"], method["sameness"]["verdict"]] += 1
            print(f"\r{n + 1} of {len(asked)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    # the same share of every prompt's reply: harmonic means of the speeds
    harmonic = lambda found: len(found) / sum(1 / rate for rate, _ in found)
    length = lambda found: 1 + sum(c["accepted_tokens"] for _, c in found) / max(1, sum(c["drafts"] for _, c in found))
    result = {}
    for label, kinds in tables.items():
        result[label] = {kind: {"tokens_per_cpu_sec": harmonic(found), "speed_up": harmonic(found) / harmonic(tables["off"][kind]),
                                "acceptance_length": length(found)} for kind, found in kinds.items()}
    labels = list(result)
    print(f"{'speed-up (acceptance length)':26}" + "".join(f"{label:>16}" for label in labels))
    for kind in KINDS:
        cells = [result[label].get(kind) for label in labels]
        print(f"{kind:26}" + "".join(f"{c['tokens_per_cpu_sec']:>9.1f} tok/s" if label == "off" else f"{c['speed_up']:>9.2f} ({c['acceptance_length']:.2f})"
                                     for label, c in zip(labels, cells) if c))
    for (label, verdict), count in sorted(verdicts.items()):
        print(f"{label}: {count} {verdict}")
    if a.json:
        with open(a.json, "w") as file:
            json.dump({"kinds": result, "verdicts": {f"{label}: {verdict}": n for (label, verdict), n in verdicts.items()}}, file, indent=1)
    return any(verdict != "identical" for _, verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
