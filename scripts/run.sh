#!/usr/bin/env bash
# Builds Formant in release, fetches the default language model and opens the studio; where there
# is no display it says so and does the same job by command.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
  echo "Formant is built with Rust 1.95 or newer, and there is no cargo here. Install it with rustup, then run this again." >&2
  exit 1
fi
cargo build --release --locked
formant=${CARGO_TARGET_DIR:-target}/release/formant

# Without a network Formant still speaks; the Models page offers the fetch again.
if ! "$formant" models fetch smollm2-135m-instruct; then
  echo "The language model could not be fetched: Formant opens without it, and chat waits for it." >&2
fi

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec "$formant" "$@"
fi

echo
echo "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so here is the same by command:"
mkdir -p out
set -x
"$formant" speak "There is no display here, so I speak to a file instead." -o out/hello.wav --png out/hello.png
"$formant" chat --prompt "What is a formant in speech? Answer in one sentence." --max-tokens 64
