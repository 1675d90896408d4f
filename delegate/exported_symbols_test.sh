#!/usr/bin/env bash
# The library exports the plugin's two symbols and the accelerator's two, and needs
# only the C library, not newer than the platform tag of scripts/wheel.sh says, and libgcc_s.
set -euo pipefail
library=$1

exported=$(nm -D --defined-only "$library" | awk '{print $3}' | sort)
expected=$(sort <<'EOT'
LiteRtAcceleratorImpl
pconv_set_accelerator_options
tflite_plugin_create_delegate
tflite_plugin_destroy_delegate
EOT
)
if [[ "$exported" != "$expected" ]]; then
  echo "exported symbols: found"; echo "$exported"; echo "expected"; echo "$expected"
  exit 1
fi

needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for name in $needed; do
  case $name in
    libc.so*|libm.so*|libdl.so*|libpthread.so*|libgcc_s.so.1|ld-linux*) ;;
    *) echo "needs $name, expected only the C library"; exit 1 ;;
  esac
done

newest=$(objdump -T "$library" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -1)
if [[ "$(printf '%s\nGLIBC_2.28\n' "$newest" | sort -V | tail -1)" != GLIBC_2.28 ]]; then
  echo "needs $newest, expected at most GLIBC_2.28:"
  objdump -T "$library" | grep "$newest"
  exit 1
fi
