#!/bin/bash
# Checks everything that needs a GPU, on a machine with one. Ends with "N passed, N failed".
#
#   scripts/gpu_check.sh [SYSROOT.tar.xz]
#
# SYSROOT: the libraries and headers that the machine lacks, unpacked to /opt (to /opt/sysroot, that is).
# BUILD: the folder to build in (build-gpu).
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-$PWD/build-gpu}
passed=0
failed=0
failures=()

# step NAME COMMAND...: one check. If its last line counts tests, those are counted, else the check itself.
step() {
    local name=$1 begin=$SECONDS log=$build/$1.log code last
    shift
    "$@" >"$log" 2>&1
    code=$?
    last=$(tail -n 1 "$log")
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [ $code = 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
    elif [ $code = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        last="failed with code $code: $last"
    fi
    if [ $code != 0 ]; then
        failures+=("$name")
        grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" | tail -n "${LINES_OF_LOG:-40}"
    fi
    echo "--- $name: $last ($((SECONDS - begin)) s)"
}

if [ -n "$1" ]; then
    tar xJf "$1" -C /opt || exit 1
fi
if [ -d /opt/sysroot ]; then
    export PKG_CONFIG_PATH=/opt/sysroot/lib/pkgconfig:$PKG_CONFIG_PATH
    export LD_LIBRARY_PATH=/opt/sysroot/lib:$LD_LIBRARY_PATH PATH=/opt/sysroot/bin:$PATH
fi
export PATH=$PATH:/usr/local/cuda/bin
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
[ -n "$capability" ] || { echo "no GPU"; exit 77; }
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
# wgmma and its kin are of this one architecture.
[ "$capability" = 90 ] && capability=90a

mkdir -p "$build"
configure() {
    cmake -S . -B "$build" -G Ninja -DCMAKE_CUDA_ARCHITECTURES="$capability" -DCMAKE_PREFIX_PATH=/opt/sysroot
}
step configure configure
step build cmake --build "$build"
step ops "$build/tests/ops" --device cuda
step golden "$build/tests/golden" --device cuda tests/golden/data

[ ${#failures[@]} = 0 ] || echo "failed: ${failures[*]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
