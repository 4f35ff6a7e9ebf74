#!/bin/bash
# parity.sh PROGRAM TOOLS WORK: --fidelity reference against what scripts/reference_pipeline.py makes of the same
# films and noise with the same networks, toys; and its windows for films of many lengths.
set -u
. "$(dirname "$0")/common.bash"
data=$(realpath "$(dirname "$0")/../golden/data")
golden --models "$work/models" "$data" || exit 1
read -ra options <"$data/pipeline/options"
common=(-f null --models "$work/models" --threads 2)

compare() { # FOLDER MOST PREFIX...
    parity "$data/pipeline/expected.safetensors" "$@"
}

# Each stage is given what Python's was: depth its pictures; warp and inpainting a disparity too.
check "depth runs" convert "$data/pipeline/film.mkv" "${common[@]}" "${options[@]}" --inpaint none \
    --noise "$data/pipeline/noise.safetensors" --dump "$work/depth"
check "depth" compare "$work/depth" 1e-3 depth.
check "inpainting runs" convert "$data/pipeline/wide.mkv" "${common[@]}" "${options[@]}" \
    --depth "$data/pipeline/depth.mkv" --noise "$data/pipeline/noise.safetensors" --dump "$work/inpaint"
# What a chunk hands to the next is rounded to 8 bits: an error of e in it flips codes, which comes to sqrt(e / 255).
check "inpainting" compare "$work/inpaint" 2e-3 splat. inpaint.

# FIRST:FRAMES of the windows of run.py's loop over $1 frames.
windows() {
    local begin=0 end
    for ((begin = 0; begin == 0 || begin < $1 - 25; begin += 45)); do
        end=$((begin + 70 < $1 ? begin + 70 : $1))
        printf '%06d:%d ' "$begin" $((end - begin))
    done
}

# The same of the first step's records: their sizes are 8 * 8 * 4 numbers a frame, and a header.
drawn() {
    local f at
    for f in "$work"/windows/depth.step0.*; do
        at=${f#*step0.}
        printf '%s:%d ' "${at%%.*}" $(($(stat -c %s "$f") / 1024))
    done
}

scene_render "$work/film" 64x48 200 >/dev/null || exit 1
for frames in 1 2 3 4 23 24 43 44 110 111 200; do
    rm -rf "$work/windows"
    check "$frames frames run" convert "$work/film/left.mkv" "${common[@]}" --frames $frames --fidelity reference \
        --depth-steps 1 --depth-guidance 1 --inpaint none --dump "$work/windows"
    check "windows of $frames frames: $(drawn)" [ "$(drawn)" = "$(windows $frames)" ]
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
