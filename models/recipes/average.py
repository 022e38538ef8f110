"""Average several states of one vocoder's training.

    python average.py --out out/averaged/hifigan.safetensors out/hifigan_3000.safetensors out/hifigan.safetensors

States of one run lie close enough together that the mean of their weights speaks, too, and with fewer artefacts than either:
what each discriminator pass left behind differs, what the losses agree on stays.
"""

import argparse
from pathlib import Path

from safetensors.torch import load_file, save_file

from lib.hifigan import plain_state, public_state
from lib.training import half


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("vocoders", nargs="+", type=Path)
    a = ap.parse_args()
    states = [plain_state(load_file(str(path))) for path in a.vocoders]
    mean = {key: sum(state[key] for state in states) / len(states) for key in states[0]}
    a.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(half(public_state(mean)), str(a.out))


if __name__ == "__main__":
    main()
