#!/bin/bash
# gguf.sh PROGRAM TOOLS WORK: a film through networks from GGUF files is, where these hold the same numbers, the same film.
set -u
here=$(realpath "$(dirname "$0")")
. "$here/common.bash"
cd "$work" || exit 1
python3 -c 'import numpy' 2>/dev/null || exit 77
failed=0

scene_render film.mp4 128x72 3 && golden --models models "$here/../golden/data" >/dev/null || exit 1
toy=(--model stereocrafter --depth-window 3 --depth-overlap 1 --depth-steps 1 --inpaint-steps 1 --inpaint-window 4 -c:v ffv1)
convert film.mp4 safetensors.mkv --models models "${toy[@]}" || exit 1
for type in F32 Q8_0; do
    cp -r models "$type"
    find "$type" -name '*.safetensors' | while read -r file; do
        # A name of the user's own for one, the published one for the others.
        [[ $file = */DepthCrafter/* ]] && to=$(dirname "$file")/mine-$type.gguf || to=${file%.safetensors}.gguf
        "$here/../../scripts/to_gguf.py" "$file" "$to" $type && rm "$file"
    done
    convert film.mp4 $type.mkv --models $type "${toy[@]}" || failed=1
done
pixels() { ffmpeg -v error -i "$1" -f framemd5 -; }
cmp <(pixels safetensors.mkv) <(pixels F32.mkv) || failed=1
if cmp -s <(pixels safetensors.mkv) <(pixels Q8_0.mkv); then
    echo "FAILED: weights of 8 bits gave the very same film"
    failed=1
fi
exit $failed
