#!/usr/bin/env bash
# Installs llama.cpp (by way of llama-cpp-python) for `formant bench engine --peer llama.cpp`.
#
#   benches/peer_llama_cpp.sh FOLDER
#
# It is compiled for this machine's processor, as its makers advise, which takes some minutes.
# Afterwards: formant bench engine --peer llama.cpp --peer-python FOLDER/bin/python
set -euo pipefail
folder=${1:?the folder of the virtual environment to make}
# The tree as it is packed makes ninja configure it again and again; make does not.
export CMAKE_GENERATOR="Unix Makefiles" CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-1}"
export CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF"
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/pip" install --no-binary llama-cpp-python llama-cpp-python==0.3.36
"$folder/bin/python" -c 'import llama_cpp; print(llama_cpp.llama_print_system_info().decode())'
