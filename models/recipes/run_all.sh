#!/usr/bin/env bash
# The whole recipe after `pack.py`, on one machine with a GPU:  run_all.sh PACKED WORK
# (the acoustic models may run side by side, and the vocoder beside them; predict_mels.py lets it hear others than FastSpeech 2)
set -euo pipefail
packed=$1 work=$2
out=$work/out
cd "$(dirname "$0")"
python3 generate_corpus.py --packed "$packed" --corpus "$work/corpus"
python3 train_fastspeech2.py --corpus "$work/corpus" --out "$out"
# the shipped weights were trained in parts, the last one with more to learn (lost frames, low bins, pitch) and other losses
plain="--lost 0 --low 1 --pitch 0"
resume() { # MODEL STOP STEPS LEARNING_RATE LAST_STEPS
  python3 train_tacotron.py --model $1 --corpus "$work/corpus" --out "$out/first" --steps 6000 --stop $2 $plain
  python3 train_tacotron.py --model $1 --corpus "$work/corpus" --out "$out/second" --start "$out/first/$1.safetensors" \
    --steps $3 --lr $4 --frames 32000 $plain
  python3 train_tacotron.py --model $1 --corpus "$work/corpus" --out "$out" --start "$out/second/$1.safetensors" \
    --steps $5 --lr 8e-4 --frames 48000
}
resume tacotron2 2000 2450 8e-4 1650
resume tacotron 3000 1450 6e-4 2650
matcha=$out/matcha.safetensors
python3 train_matcha.py --corpus "$work/corpus" --out "$out/first" --pitch 0
python3 train_durations.py --matcha "$out/first/matcha.safetensors" --corpus "$work/corpus" --out "$out/first" --stop 1000
python3 train_matcha.py --corpus "$work/corpus" --out "$out" --start "$out/first/matcha.safetensors" --steps 7550 --frames 32000
python3 train_durations.py --matcha "$matcha" --corpus "$work/corpus" --out "$out" --start "$out/first/durations.safetensors"
# the vocoder in four parts; the last one hears all systems
train_vocoder() { python3 train_hifigan.py --packed "$packed" --corpus "$work/corpus" --out "$out" "$@"; }
train_vocoder --name first --steps 27000 --stop 7000 --quiet 0.5
train_vocoder --name second --start "$out/first.safetensors" --steps 11500 --gta-from 200 --quiet 0.5
train_vocoder --name third --start "$out/second.safetensors" --steps 6000 --stop 2000 --lr 2e-4 --settle 300 --gta-from 0 --quiet 0.5
for model in tacotron2 tacotron matcha; do
  python3 predict_mels.py --model "$out/$model.safetensors" --corpus "$work/corpus" --name $model
done
train_vocoder --start "$out/third.safetensors" --steps 14900 --lr 2e-4 --settle 400 --gta-from 1000 --keep 3000
vocoder=$out/averaged/hifigan.safetensors
python3 average.py --out "$vocoder" "$out/hifigan_3000.safetensors" "$out/hifigan.safetensors"
# a vocoder from nothing, sample after sample, that hears FastSpeech 2's mels, too
mv "$work/corpus"/gta_*.npy "$work/"
python3 train_wavenet.py --corpus "$work/corpus" --out "$out" --steps 16773 --compile
python3 evaluate.py --packed "$packed" --out "$work/scores.json" --seeds 3 teacher copy="$vocoder" fs2="$out/fastspeech2.safetensors+$vocoder" \
  tacotron2="$out/tacotron2.safetensors+$vocoder" tacotron="$out/tacotron.safetensors+$vocoder" \
  wavenet="$out/fastspeech2.safetensors+$out/wavenet.safetensors:temperature=0.7" \
  matcha="$matcha+$vocoder" matcha2="$matcha:steps=2+$vocoder" matcha10="$matcha:steps=10+$vocoder" \
  matcha_sdp="$matcha:durations=durations.safetensors+$vocoder"
python3 check_attention.py --packed "$packed" --corpus "$work/corpus" --out "$work/attention.json" \
  "$out/tacotron2.safetensors" "$out/tacotron.safetensors"
python3 export.py --fastspeech2 "$out/fastspeech2.safetensors" --hifigan "$vocoder" --tacotron2 "$out/tacotron2.safetensors" \
  --tacotron "$out/tacotron.safetensors" --matcha "$matcha" --durations "$out/durations.safetensors" --wavenet "$out/wavenet.safetensors" \
  --stats "$work/corpus/stats.json" --scores "$work/scores.json" --attention "$work/attention.json"
