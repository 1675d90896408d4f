#!/usr/bin/env bash
# Unpacks a minimal ARM64 Debian with Python into a folder, to run ARM64 wheels under qemu:
#   aarch64_root.sh FOLDER
# Nothing in it is installed or started; qemu-aarch64-static -L FOLDER finds its libraries there.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$1
[ -e "$root/.complete" ] && exit 0
scripts/packages.sh debootstrap:debootstrap qemu-user-static:qemu-aarch64-static
rm -rf "$root"
debootstrap --foreign --arch=arm64 --variant=minbase --include=python3-minimal,libpython3-stdlib \
  bookworm "$root" >/dev/null
for package in "$root"/var/cache/apt/archives/*.deb; do
  dpkg -x "$package" "$root"
done
# LiteRT reads these files, and would read those of the host: four Cortex-A76.
mkdir -p "$root/proc" "$root/sys/devices/system/cpu"
for cpu in 0 1 2 3; do
  printf 'processor\t: %s\nBogoMIPS\t: 108.00\n' $cpu
  printf 'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n'
  printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n'
done >"$root/proc/cpuinfo"
for name in possible present online; do
  echo 0-3 >"$root/sys/devices/system/cpu/$name"
done
touch "$root/.complete"
