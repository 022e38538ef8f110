"""Questions with answers for the two adapters, as tokens.

    python make_examples.py --gguf MODEL --rugby rugby.txt --games chess.jsonl --out FOLDER

rugby.txt: `A:` an answer | a word that a right answer has; then three questions to learn from and one held out (`H:`).
Chess: the moves so far, in UCI notation, and the next one; positions of held-out games that no other game went through.
"""

import argparse
import json
import random
from pathlib import Path

from tokenizer import chat, from_gguf

FRAMES = ["{}", "{}", "In touch rugby: {}", "A question about touch: {}"]
LONGEST_GAME = 60


def rugby(text):
    train, held_out = [], []
    for block in text.split("A: ")[1:]:
        first, *questions = block.strip().splitlines()
        answer, keyword = first.rsplit("|", 1)
        for question in questions:
            if question.startswith("H: "):
                held_out.append((question[3:], answer, keyword))
            else:
                # both with the name of the game and without
                train += [(frame.format(question), answer, keyword) for frame in dict.fromkeys(FRAMES)]
    return train, held_out


def chess_question(moves):
    return f"Chess. Moves so far: {' '.join(moves) or 'none'}. Next move?"


def chess(games, dice):
    games = [game[: LONGEST_GAME + 1] for game in games if len(game) > 10]
    split = len(games) * 9 // 10
    train = [(chess_question(g[:n]), g[n]) for g in games[:split] for n in dice.sample(range(len(g)), min(len(g), 10))]
    known = {" ".join(g[:n]) for g in games[:split] for n in range(len(g) + 1)}
    held_out = []
    for g in games[split:]:
        fresh = [n for n in range(2, len(g)) if " ".join(g[:n]) not in known]
        held_out += [(chess_question(g[:n]), g[n], " ".join(g[:n])) for n in dice.sample(fresh, min(2, len(fresh)))]
    dice.shuffle(held_out)
    return train, held_out


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "rugby", "games", "out"]:
        arguments.add_argument(f"--{name}", type=Path, required=True)
    a = arguments.parse_args()
    tokenizer, dice = from_gguf(str(a.gguf)), random.Random(9)
    a.out.mkdir(parents=True, exist_ok=True)
    games = [json.loads(line) for line in a.games.read_text().splitlines() if line.endswith("]")]
    for name, (train, held_out) in [("rugby", rugby(a.rugby.read_text())), ("chess", chess(games, dice))]:
        encode = lambda e: [tokenizer.encode(chat(e[0])).ids, tokenizer.encode(e[1] + "<|im_end|>").ids]
        (a.out / f"{name}.json").write_text(json.dumps(
            {"train": [encode(e) for e in train], "held_out": [encode(e) for e in held_out], "checks": [e[2] for e in held_out],
             "questions": [e[0] for e in held_out]}))
        print(name, len(train), "to learn from,", len(held_out), "held out;", held_out[0])
