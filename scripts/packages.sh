#!/usr/bin/env bash
# Installs Debian/Ubuntu packages: packages.sh NAME:PROOF ... A package is there if the file PROOF, or
# the command PROOF, exists. Without root it says what to install and fails.
set -euo pipefail
missing=()
for entry in "$@"; do
  proof=${entry#*:}
  [ -e "$proof" ] || command -v "$proof" >/dev/null || missing+=("${entry%%:*}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "these system packages are missing; install them and run the command again:" >&2
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
