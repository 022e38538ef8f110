#!/usr/bin/env bash
# Installs the system packages that are missing, or prints the one line that would.
#
# usage: packages.sh run|test ...
set -euo pipefail

run=(gcc pkg-config libasound2-dev libasound2 ca-certificates python3 python3-pip
  libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon0 libxkbcommon-x11-0
  libgl1 libegl1 libgl1-mesa-dri libdbus-1-3)
test=(xvfb xdotool x11-apps imagemagick pulseaudio pulseaudio-utils libasound2-plugins fonts-dejavu-core)

# Other systems bring their own: macOS and Windows need nothing beyond Rust.
command -v dpkg-query >/dev/null || exit 0

missing=()
for set in "$@"; do
  declare -n names=$set
  for name in "${names[@]}"; do
    # Debian 13 and Ubuntu 24.04 call some libraries NAMEt64; the old name is still provided.
    state=$(dpkg-query -W -f '${db:Status-Status}\n' "$name" "${name}t64" 2>/dev/null || true)
    if ! grep -qx installed <<<"$state"; then
      # A pip from elsewhere does as well as the package.
      if [ "$name" = python3-pip ] && python3 -m pip --version >/dev/null 2>&1; then continue; fi
      if [ "$name" = python3 ] && command -v python3 >/dev/null; then continue; fi
      missing+=("$name")
    fi
  done
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ]; then
  sudo=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  sudo=(sudo)
else
  echo "Formant needs some system packages. As root, run:" >&2
  echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
