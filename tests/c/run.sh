#!/bin/sh
# Builds the engine and its C tests with a plain C compiler, several ways, and runs them:
#     tests/c/run.sh            CC=clang tests/c/run.sh
# The last line is 'N passed, N failed'.
set -eu
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

warnings="-Wall -Wextra -Werror"
language="-std=gnu11 -fvisibility=hidden -fno-math-errno -fno-trapping-math -fno-strict-aliasing" # as setup.py
last="-fno-lto -ffp-contract=off"
sanitizers="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
emulated=-DRBMK_EMULATE_TILES
passed=0
failed=0

# links FLAGS: can this compiler build and run a program with them?
links() {
    echo 'int main(void) { return 0; }' >"$work/probe.c"
    $cc $1 "$work/probe.c" -o "$work/probe" 2>/dev/null && "$work/probe"
}

# variant TITLE FLAGS [ARGUMENT]: one build, one run
variant() {
    rm -rf "$work/build"
    mkdir "$work/build"
    echo "$1 ($2)"
    i=0
    for source in src/*.c src/*/*.c src/*/*/*.c tests/c/*.c; do
        own=
        case $source in
            src/cpu.c) own="-Drbmk_cpu_has_amx=rbmk_cpu_really_has_amx -Drbmk_cpu_has_vnni=rbmk_cpu_really_has_vnni" ;; # tests/c/paths.c decides
            src/parallel/epoch.c) own="-Drbmk_regroup=checked_regroup" ;; # calls.c
            src/parallel/team.c) own="-Dposix_memalign=checked_posix_memalign -Dfree=checked_free" ;; # refusals.c
        esac
        i=$((i + 1))
        echo "$cc $2 $warnings $language -Isrc $own $last -c $source -o $work/build/$i.o" >>"$work/build/job$((i % jobs))"
    done
    pids=
    for job in "$work"/build/job*; do
        sh -e "$job" >"$job.output" 2>&1 &
        pids="$pids $!"
    done
    built=1
    for pid in $pids; do
        wait "$pid" || built=0
    done
    if [ $built = 0 ] || ! $cc $2 "$work"/build/*.o -lm -o "$work/tests" >"$work/build/link.output" 2>&1; then
        cat "$work"/build/*.output | head -n 40
        echo "  FAILED to build"
        failed=$((failed + 1))
        return
    fi
    status=0
    "$work/tests" ${3:-} >"$work/output" 2>&1 || status=$?
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/output" | tail -n 1)
    grep -v '^[0-9]* passed, [0-9]* failed$' "$work/output" | head -n 200 || true
    if [ -z "$counts" ]; then
        echo "  FAILED: the program ended with status $status"
        counts="0 1"
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

export OMP_WAIT_POLICY=passive # more threads than processors
openmp=
if links -fopenmp; then
    openmp=-fopenmp
else
    echo "skipped OpenMP: $cc does not link it"
fi
if links "$sanitizers"; then
    variant "sanitizers" "$sanitizers $emulated"
    if [ -n "$openmp" ]; then
        variant "sanitizers, OpenMP" "$sanitizers $emulated $openmp" calls # kernels know no threads
    fi
else
    echo "skipped sanitizers: $cc does not link them"
    variant "tiles in plain C" "-O3 $emulated $openmp"
fi
variant "as shipped" "-O3 $openmp"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
