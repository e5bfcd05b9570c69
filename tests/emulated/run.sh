#!/usr/bin/env bash
# The bits on CPUs that nobody here owns, by qemu-user:
#     tests/emulated/run.sh [PYTHON]
# On each machine the C tests, and golden runs compared with the committed digests. On x86-64 models also the whole
# package, as PYTHON (default: python3) has it installed: its golden digests, `rbmfast info`, a small training.
# What is missing here (an emulator, a compiler) is skipped in words. The last line is 'N passed, N failed'.
set -u
cd "$(dirname "$0")/../.."
python=$(type -P "${1:-python3}") # not the source folder, which has no engine, but what is installed
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-O2 -static -std=gnu11 -fno-math-errno -fno-trapping-math -fno-strict-aliasing -ffp-contract=off -Isrc"

ran() { # status, what
    printf '%-6s %s\n' "$([ "$1" = 0 ] && echo ok || echo FAILED)" "$2" | tee -a "$work/results"
}

# The engine with its C tests, for one thread, and with the golden runs. What tests/c stands in front of (paths.c,
# refusals.c, calls.c) is compiled once more.
build() { # compiler, folder, more flags...
    local cc=$1 folder=$2
    shift 2
    mkdir -p "$folder/engine" "$folder/tests.o"
    {
        for source in src/*.c src/*/*.c src/*/*/*.c; do
            echo "-c $source -o $folder/engine/$(tr / _ <<<"$source").o"
        done
        echo "-Drbmk_cpu_has_amx=rbmk_cpu_really_has_amx -Drbmk_cpu_has_vnni=rbmk_cpu_really_has_vnni -c src/cpu.c -o $folder/tests.o/src_cpu.c.o"
        echo "-Dposix_memalign=checked_posix_memalign -Dfree=checked_free -c src/parallel/team.c" \
            "-o $folder/tests.o/src_parallel_team.c.o"
        echo "-Drbmk_regroup=checked_regroup -c src/parallel/epoch.c -o $folder/tests.o/src_parallel_epoch.c.o"
        for source in tests/c/*.c; do
            echo "-DFEWER_REPEATS -c $source -o $folder/tests.o/$(basename "$source").o"
        done
    } | xargs -P "$(nproc)" -L 1 "$cc" $flags "$@" || return
    "$cc" -static "$folder"/engine/*.o tests/emulated/golden.c -Isrc -std=gnu11 -lm -o "$folder/golden" || return
    rm "$folder/engine/src_cpu.c.o" "$folder/engine/src_parallel_team.c.o" "$folder/engine/src_parallel_epoch.c.o"
    "$cc" -static "$folder"/engine/*.o "$folder"/tests.o/*.o -lm -o "$folder/tests"
}

c_tests() { # title, folder, emulator...
    local title=$1 folder=$2
    shift 2
    "$@" "$folder/tests" >"$output" 2>&1
    local status=$?
    ran $status "$title: C tests, $(tail -n 1 "$output")"
    [ $status = 0 ] || tail -n 20 "$output"
}

golden() { # title, folder, paths, emulator...
    local title=$1 folder=$2
    shift 2
    python3 tests/emulated/golden.py "$@" "$folder/golden" >"$output" 2>&1
    ran $? "$title: $(tail -n 1 "$output")"
}

package() { # title, emulator...
    local title=$1
    shift
    OMP_NUM_THREADS=1 "$@" "$python" tests/emulated/package.py >"$output" 2>&1
    local status=$?
    ran $status "$title: the package, $(tail -n 1 "$output")"
    [ $status = 0 ] || tail -n 20 "$output"
}

available() { # what, command
    command -v "$2" >/dev/null || { echo "skipped $1: no $2 here"; return 1; }
}

x86() {
    local cpu installed= output=$work/output.x86
    [ "$(uname -m)" = x86_64 ] || { echo "skipped x86-64 CPUs: this machine is another"; return; }
    available "x86-64 CPUs" qemu-x86_64 || return
    build "${CC:-cc}" "$work/x86" -DEMULATED_X86 || ran 1 "x86-64: build"
    (cd "$work" && "$python" -c 'import rbmfast') 2>/dev/null && installed=1 || echo "skipped the package: not installed"
    for cpu in Nehalem Haswell max; do
        golden "x86-64 $cpu" "$work/x86" "$([ $cpu = Nehalem ] && echo 1 || echo 2)" qemu-x86_64 -cpu $cpu
        [ $cpu != max ] || continue # which QEMU 7.2 gives the paths of Haswell: minutes for the same tests
        c_tests "x86-64 $cpu" "$work/x86" qemu-x86_64 -cpu $cpu
        [ -z "$installed" ] || package "x86-64 $cpu" qemu-x86_64 -cpu $cpu
    done
}

others() {
    local machine output=$work/output.others
    for machine in aarch64 s390x; do
        available "$machine" qemu-$machine && available "$machine" $machine-linux-gnu-gcc || continue
        build $machine-linux-gnu-gcc "$work/$machine" || ran 1 "$machine: build"
        c_tests $machine "$work/$machine" qemu-$machine
        golden $machine "$work/$machine" "$([ $machine = s390x ] && echo 1 || echo 2)" qemu-$machine
    done
}

touch "$work/results"
others & # one thread each: two at a time
x86
wait
failed=$(grep -c '^FAILED' "$work/results")
echo "$(grep -c '^ok' "$work/results") passed, $failed failed"
[ "$failed" = 0 ]
