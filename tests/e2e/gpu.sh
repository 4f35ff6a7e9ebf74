#!/bin/bash
# gpu.sh PROGRAM TOOLS WORK: the chain on a GPU. Its right eyes are those of the CPU to 50 dB in fp32, and to 42 dB of
# its own fp32 in tf32, fp16, bf16 and by default; each comes out the same twice, the first time with kernels chosen by
# timing, then as it was kept. What nothing is optimised in is as near. With the built-in network, over a
# rendered scene and the clips in $SC_TEST_DATA/video. Toy-sized networks of the published layout have random weights,
# which blow rounding errors up: with these fp32 alone is compared.
set -u
. "$(dirname "$0")/common.bash"
passed=0 failed=0
least_fp32=50 least_narrow=42
export XDG_CACHE_HOME=$work/cache # empty: the first run chooses, the second finds the choices

# made NAME CLIP OPTIONS...: $work/NAME.nut, right eyes alone
made() {
    local name=$1 clip=$2
    shift 2
    convert "$clip" "$work/$name.nut" --layout right -c:v ffv1 "$@"
}

# compare WHAT MADE TRUE DECIBELS
compare() {
    local result db
    result=$(score "$work/$2.nut" "$work/$3.nut") || result=
    db=$(value psnr "$result")
    if [ -n "$db" ] && at_least "$db" "$4"; then
        passed=$((passed + 1))
        echo "ok     $1: $db dB"
    else
        failed=$((failed + 1))
        echo "FAILED $1: ${db:-none} dB, at least $4 are asked for"
    fi
}

# check NAME CLIP OPTIONS...: every precision on the GPU, twice, against the CPU.
check() {
    local name=$1 clip=$2 precision
    shift 2
    if ! made cpu "$clip" --device cpu "$@"; then
        failed=$((failed + 1))
        return
    fi
    made plain "$clip" --device cuda --precision fp32 --no-optimize "$@"
    compare "$name, nothing optimised, against the CPU" plain cpu $least_fp32
    for precision in fp32 tf32 fp16 bf16 default; do
        if ! made $precision "$clip" --device cuda --precision $precision "$@" ||
            ! made again "$clip" --device cuda --precision $precision "$@"; then
            failed=$((failed + 1))
            continue
        fi
        if [ $precision = fp32 ]; then
            compare "$name, fp32 against the CPU" fp32 cpu $least_fp32
        elif [ "$name" != toys ]; then
            compare "$name, $precision against fp32" $precision fp32 $least_narrow
        fi
        if cmp -s "$work/$precision.nut" "$work/again.nut"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED $name, $precision: another run gave another film"
        fi
    done
}

options=$(scene_render "$work/scene" 480x270 12 2 1) || exit 1
if ! "$program" --device cuda -f null --frames 1 "$work/scene/left.mkv" >"$work/log.txt" 2>&1; then
    grep -q 'there are 0\|for the CPU only' "$work/log.txt" && echo "skipped: no GPU" && exit 77
    cat "$work/log.txt"
    exit 1
fi
# $options are words
# shellcheck disable=SC2086
check "scene, its own depth" "$work/scene/left.mkv" --depth "$work/scene/depth.mkv" $options
check "scene" "$work/scene/left.mkv"
# What else moves pixels on the device: a mirror on the way to a made left eye, half a sphere, rows of both eyes.
for layout in "sbs --synthetic-view both" vr180 interlaced; do
    # shellcheck disable=SC2086
    for device in cpu cuda; do
        made $device "$work/scene/left.mkv" --depth "$work/scene/depth.mkv" $options --device $device \
            --precision fp32 --layout $layout || failed=$((failed + 1))
    done
    compare "layout $layout, against the CPU" cuda cpu $least_fp32
done
if [ -n "${SC_TEST_DATA:-}" ]; then
    for clip in "$SC_TEST_DATA"/video/*.{mp4,mkv,webm,3gp}; do
        [ -e "$clip" ] && check "$(basename "$clip")" "$clip" --frames 12
    done
fi
golden --models "$work/models" "$(dirname "$0")/../golden/data" || exit 1
check toys "$work/scene/left.mkv" --models "$work/models" --frames 6 --depth-window 4 --depth-overlap 1 \
    --depth-steps 2 --inpaint-window 4 --inpaint-overlap 1 --inpaint-steps 2 --inpaint-tile 256

# say WHAT OK
say() {
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    [ "$2" = 0 ] && echo "ok     $1" || echo "FAILED $1"
}
made recorded "$work/scene/left.mkv" --device cuda --models "$work/models" --frames 6 --depth-window 4 --depth-overlap 1 \
    --depth-steps 3 --log-level debug
grep -q 'recorded, to be repeated' "$work/log.txt"
say "steps of a network are recorded" $?
ls "$work"/cache/stereocrafter/*.txt >"$work/kept.txt" 2>&1
say "choices of kernels are kept" $?
while read -r kept; do
    echo "not what it was" >"$kept"
done <"$work/kept.txt"
made fp16 "$work/scene/left.mkv" --device cuda --log-level debug && grep -q 'broken or of another version' "$work/log.txt" &&
    grep -q '^conv ' $(cat "$work/kept.txt")
say "a broken file of choices is written anew" $?

echo "$passed passed, $failed failed"
[ $failed = 0 ]
