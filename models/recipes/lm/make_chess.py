"""Games to learn chess from: Stockfish against itself, with openings drawn at random from its better moves.

    python make_chess.py --engine /usr/games/stockfish --games 2500 --out chess.jsonl

One game a line: moves in UCI notation. The last tenth of the games is held out.
"""

import argparse
import json
import random
import time

import chess
import chess.engine


def play(engine, dice, nodes):
    board, moves = chess.Board(), []
    opening = dice.randint(2, 8)
    while not board.is_game_over(claim_draw=True) and len(moves) < 80:
        varied = len(moves) < opening or dice.random() < 0.1
        lines = engine.analyse(board, chess.engine.Limit(nodes=nodes), multipv=4 if varied else 1)
        best = lines[0]["score"].relative.score(mate_score=10000)
        good = [line for line in lines if line["score"].relative.score(mate_score=10000) > best - 120]
        move = dice.choice(good)["pv"][0] if varied else lines[0]["pv"][0]
        moves.append(move.uci())
        board.push(move)
    return moves


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--engine", default="/usr/games/stockfish")
    arguments.add_argument("--games", type=int, default=2500)
    arguments.add_argument("--nodes", type=int, default=300)
    arguments.add_argument("--seconds", type=float, default=1e9)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", required=True)
    a = arguments.parse_args()
    dice, start = random.Random(a.seed), time.time()
    engine = chess.engine.SimpleEngine.popen_uci(a.engine)
    engine.configure({"Threads": 1, "Hash": 16})
    with open(a.out, "w") as out:
        for _ in range(a.games):
            if time.time() - start > a.seconds:
                break
            out.write(json.dumps(play(engine, dice, a.nodes)) + "\n")
            out.flush()
    engine.quit()
