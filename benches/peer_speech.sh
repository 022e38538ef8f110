#!/usr/bin/env bash
# Installs PyTorch and ONNX Runtime for `formant bench speech --peer onnxruntime,pytorch`.
#
#   benches/peer_speech.sh FOLDER
#
# Afterwards: formant bench speech --peer onnxruntime,pytorch --peer-python FOLDER/bin/python
set -euo pipefail
folder=${1:?the folder of the virtual environment to make}
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/pip" install torch==2.11.0 numpy safetensors==0.8.0 onnx==1.23.2 onnxruntime==1.32.0
"$folder/bin/python" -c 'import torch, onnxruntime; print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)'
