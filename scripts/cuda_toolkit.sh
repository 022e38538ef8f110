#!/usr/bin/env bash
# Brings what `cargo build --features cuda` needs to a machine without a GPU: NVIDIA's compiler and
# headers as Python wheels (270 MB unpacked), and stand-ins to link against for the libraries that
# come with a driver. Where CUDA is installed this is not needed.
#
# usage: cuda_toolkit.sh FOLDER; then: . FOLDER/env.sh && cargo build --release --features cuda
#        CUDA_COMPUTE_CAP=90 (the default here) is Hopper; 80 is Ampere, 89 is Ada
set -euo pipefail

cuda=13.0
wheels=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85)

folder=$(mkdir -p "${1:?a folder for the toolkit}" && cd "$1" && pwd)
root=$folder/python/nvidia/cu13
platforms=()
for tag in manylinux2014_x86_64 manylinux_2_17_x86_64 manylinux2010_x86_64 manylinux_2_12_x86_64; do
  platforms+=(--platform "$tag")
done
# All at once: they share a folder, which a second call would empty.
rm -rf "$folder/python"
python3 -m pip install -q --no-deps --no-compile --only-binary=:all: --python-version 3.12 \
  --implementation cp "${platforms[@]}" --target "$folder/python" "${wheels[@]}"
ln -sfn lib "$root/lib64"
ln -sf libcudart.so.13 "$root/lib/libcudart.so"

# A stand-in has every function that the bindings declare; each says that it is one (error 34).
cargo fetch --locked --manifest-path "$(dirname "$0")/../Cargo.toml"
version=$(grep -A1 '^name = "cudarc"' "$(dirname "$0")/../Cargo.lock" | sed -n 's/version = "\(.*\)"/\1/p')
bindings=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-"$version"/src | head -1)
mkdir -p "$root/lib/stubs"
stand_in() {
  local module=$1 prefix=$2 name=$3
  grep -rhoE "\bfn ${prefix}[A-Za-z0-9_]+" "$bindings/$module/sys" | sed 's/^fn //' | sort -u |
    sed 's/.*/int &(void) { return 34; }/' |
    gcc -shared -fPIC -w -x c - -Wl,-soname,"$name" -o "$root/lib/stubs/$name"
  ln -sf "$name" "$root/lib/stubs/${name%.so.*}.so"
}
stand_in driver cu libcuda.so.1
stand_in cublas cublas libcublas.so.13
stand_in cublaslt cublasLt libcublasLt.so.13
stand_in curand curand libcurand.so.10
stand_in nvrtc nvrtc libnvrtc.so.13

cat >"$folder/env.sh" <<ENV
export CUDA_HOME=$root CUDA_PATH=$root NVCC=$root/bin/nvcc PATH=$root/bin:\$PATH
export CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-90} CUDARC_CUDA_VERSION=${cuda/./}00
ENV
"$root/bin/nvcc" --version | tail -1
echo "now: . $folder/env.sh && cargo build --release --features cuda"
echo "to start the program here, on the CPU: LD_LIBRARY_PATH=$root/lib:$root/lib/stubs"
