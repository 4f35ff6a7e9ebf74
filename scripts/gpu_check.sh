#!/bin/bash
# Checks everything that needs a GPU, on a machine with one. Ends with "N passed, N failed".
#
#   scripts/gpu_check.sh [PREFIX]
#
# PREFIX: a folder with the include, lib and bin of what the machine lacks.
# BUILD: the folder to build in (build-gpu). ONLY: names of the steps to do; all if empty. SC_TEST_DATA: a folder of
# real clips. COMMIT: what is measured, where git cannot tell. PATIENCE: seconds that a sanitizer may take. PEERS: the
# groups of bench_peers.py to time beside ours, all of which take 4 minutes; set to nothing, none. BENCH: more options
# of it, such as "--precision fp16,fp8 --seconds 300".
# Writes what it measures to tests/bench.
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-$PWD/build-gpu}
passed=0
failed=0
failures=()

# step NAME COMMAND...: one check. If its last line counts tests, those are counted, else the check itself.
step() {
    local name=$1 begin=$SECONDS log=$build/$1.log code last
    shift
    [[ -z ${ONLY:-} || " $ONLY " = *" $name "* ]] || return
    "$@" >"$log" 2>&1
    code=$?
    last=$(tail -n 1 "$log")
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [ $code = 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
    elif [ $code = 0 ]; then
        passed=$((passed + 1))
    elif [ $code = 77 ]; then
        code=0
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

prefix=${1:-}
if [ -n "$prefix" ]; then
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig:$PKG_CONFIG_PATH
    export LD_LIBRARY_PATH=$prefix/lib:$LD_LIBRARY_PATH PATH=$prefix/bin:$PATH
fi
export PATH=$PATH:/usr/local/cuda/bin
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
[ -n "$capability" ] || { echo "no GPU"; exit 77; }
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
# wgmma and its kin are of this one architecture.
[ "$capability" = 90 ] && capability=90a

mkdir -p "$build"
configure() {
    cmake -S . -B "$build" -G Ninja -DCMAKE_CUDA_ARCHITECTURES="$capability" -DCMAKE_PREFIX_PATH="$prefix"
}
step configure configure
step build cmake --build "$build"
step ops "$build/tests/ops" --device cuda
step ops-plain "$build/tests/ops" --device cuda --plain
step ops-timed "$build/tests/ops" --device cuda --cache-dir "$build/choices"
step golden "$build/tests/golden" --device cuda tests/golden/data
# Some 10 GB, of which nothing is kept; where diffusers is not installed it says so.
step reference scripts/compare_reference.py "$build/tests/golden" "$build/published"

# A film of 1920x1080: a real clip enlarged if there is one, else a test card.
film() {
    local clip=${SC_TEST_DATA:-}/video/flower_540p_cc0.mp4 input=(-f lavfi -i testsrc2=1920x1080:rate=24)
    [ -e "$clip" ] && input=(-stream_loop 9 -i "$clip")
    [ -e "$build/film.mp4" ] ||
        ffmpeg -v error -y "${input[@]}" -vf scale=1920:1080 -frames:v 300 -an -c:v libx264 -preset ultrafast -crf 18 \
            "$build/film.mp4"
}
memory() {
    [ -e "$build/published/DepthCrafter" ] || { echo "skipped: no networks from the reference"; return 77; }
    film && bash tests/e2e/gpu_memory.sh "$build/stereocrafter" "$build/tests" "$build/e2e-memory" "$build/published" \
        "$build/film.mp4"
}
step memory memory
rm -rf "$build/published"
# Two programs in fp32: some three minutes.
step pipeline scripts/compare_reference.py "$build/tests/golden" "$build/published" --pipeline "$build/stereocrafter"
grep -hE '^(ok|FAIL|precision|reference|default|fast)' "$build/pipeline.log" 2>/dev/null
rm -rf "$build/published"
step chain bash tests/e2e/gpu.sh "$build/stereocrafter" "$build/tests" "$build/e2e-gpu"
step video bash tests/e2e/gpu_video.sh "$build/stereocrafter" "$build/tests" "$build/e2e-video"

# Under these tools all is slow: tensors of up to 256 KiB, 65536 numbers, show the same mistakes. racecheck, the slowest,
# is several processes that share the cases. synccheck finds too few barriers by itself where cuDNN compiles kernels.
declare -A shares=([memcheck]=1 [initcheck]=1 [synccheck]=1 [racecheck]=4)
sanitize() { # TOOL SHARE [OPTION...]
    local log=$build/$1-${2%/*}.txt share=$2
    timeout "${PATIENCE:-1800}" compute-sanitizer --tool "$1" "${@:3}" \
        "$build/tests/ops" --device cuda --most 262144 --share "$share" >"$log" 2>&1
}
count_of() { # TOOL PATTERN: the sum of the number that sed's pattern finds in each share; nothing if one lacks it
    local numbers
    numbers=$(sed -n "s/$2/\\1/p" "$build/$1"-*.txt)
    [ "$(wc -w <<<"$numbers")" = "${shares[$1]}" ] && echo $((${numbers//$'\n'/+}))
}
sanitizers() {
    local tool all=0 done=0 found passed failed i
    rm -f "$build"/*check-*.txt
    for tool in "${!shares[@]}"; do
        for ((i = 0; i < shares[$tool]; i++)); do
            sanitize "$tool" "$i/${shares[$tool]}" $([ "$tool" = synccheck ] && echo --num-cuda-barriers 256) &
        done
    done
    wait
    for tool in "${!shares[@]}"; do
        found=$(count_of "$tool" '.* SUMMARY: \([0-9]*\) .*')
        passed=$(count_of "$tool" '^\([0-9]*\) passed, .*')
        failed=$(count_of "$tool" '.* passed, \([0-9]*\) failed')
        echo "$tool: ${found:-no} findings, ${passed:-no} passed, ${failed:-no} failed"
        [ "${found:-1}${failed:-1}" = 00 ] && done=$((done + 1))
        all=$((all + ${found:-1}))
    done
    echo "$all" >"$build/findings.txt"
    echo "$done passed, $((${#shares[@]} - done)) failed"
}
step sanitizers sanitizers

bench() {
    film && scripts/bench_peers.py "$build" tests/bench --clip "$build/film.mp4" --rows "$build/memory.log" ${COMMIT:+--commit "$COMMIT"} \
        ${findings:+--findings "$findings"} ${PEERS+--only "$PEERS"} ${BENCH:-}
}
findings=$(cat "$build/findings.txt" 2>/dev/null)
step bench bench
grep -hE '^(memcheck|initcheck|synccheck|racecheck): ' "$build/sanitizers.log" 2>/dev/null
cat "$build/bench.log" 2>/dev/null

[ ${#failures[@]} = 0 ] || echo "failed: ${failures[*]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
