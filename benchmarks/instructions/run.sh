#!/bin/sh
# Instructions of one CD-1 update (784 x 500, batch 100, one thread) on 64-bit ARM, by function, most first:
#     benchmarks/instructions/run.sh neon        CC="clang --target=aarch64-linux-gnu" ... portable
# Needs a cross compiler and an emulator that takes plugins (Debian: gcc-aarch64-linux-gnu, qemu-user).
set -eu
path=${1:-neon}
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags="-O3 -std=gnu11 -fvisibility=hidden -fno-math-errno -fno-trapping-math -fno-strict-aliasing" # as setup.py
for source in src/*.c src/*/*.c src/*/*/*.c benchmarks/instructions/update.c; do
    ${CC:-aarch64-linux-gnu-gcc} $flags -Isrc -fno-lto -ffp-contract=off -c "$source" -o "$work/$(echo "$source" | tr / _).o"
done
aarch64-linux-gnu-gcc -static "$work"/*.o -lm -o "$work/update"
cc -shared -fPIC -O1 benchmarks/instructions/count.c -o "$work/count.so"
for updates in 1 2; do
    qemu-aarch64 -plugin "$work/count.so" "$work/update" "$path" $updates 2>&1 | sort >"$work/counts$updates"
done
join "$work/counts1" "$work/counts2" | awk '$3 > $2 {printf "%10d %s\n", $3 - $2, $1}' | sort -rn
