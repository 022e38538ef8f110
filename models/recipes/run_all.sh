#!/usr/bin/env bash
# The whole recipe after `pack.py`, on one machine with a GPU:  run_all.sh PACKED WORK
# (with two GPUs start the vocoder beside FastSpeech 2: at step 6000 it waits for the predicted mels)
set -euo pipefail
packed=$1 work=$2
cd "$(dirname "$0")"
python3 generate_corpus.py --packed "$packed" --corpus "$work/corpus"
python3 train_fastspeech2.py --corpus "$work/corpus" --out "$work/out"
# the shipped vocoder was trained in two parts
python3 train_hifigan.py --packed "$packed" --corpus "$work/corpus" --out "$work/out" --name first --steps 27000 --stop 7000
python3 train_hifigan.py --packed "$packed" --corpus "$work/corpus" --out "$work/out" --start "$work/out/first.safetensors" \
  --steps 11500 --gta-from 200
python3 evaluate.py --packed "$packed" --out "$work/scores.json" teacher copy="$work/out/hifigan.safetensors" \
  fs2="$work/out/fastspeech2.safetensors+$work/out/hifigan.safetensors"
python3 export.py --fastspeech2 "$work/out/fastspeech2.safetensors" --hifigan "$work/out/hifigan.safetensors" \
  --stats "$work/corpus/stats.json" --scores "$work/scores.json"
