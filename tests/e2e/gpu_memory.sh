#!/bin/bash
# gpu_memory.sh PROGRAM TOOLS WORK [MODELS FILM]: what the driver says that the published networks take of the GPU under
# each --vram, until the first frame of FILM, of 1920x1080, is out: a whole window of depth and one of inpainting are
# drawn by then. One step each: memory does not depend on how often a network runs. Also how fast weights come from
# the page cache. Lines "row NAME VALUE UNIT" are for gpu_results.py.
set -u
. "$(dirname "$0")/common.bash"
[ $# = 5 ] || { echo "skipped: no published networks and no film are given"; exit 77; }
models=$(realpath "$4") film=$(realpath "$5")
cd "$work" || exit 1

used() { nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -i 0 "$@"; }
idle=$(used) || { echo "skipped: no GPU"; exit 77; }

# first_frame GIB: ends the run when it is there; MiB that were taken at most to $peak
first_frame() {
    local run watch
    used -lms 50 >used.txt &
    watch=$!
    "$program" "$film" -f null --models "$models" --model stereocrafter --vram "$1G" --depth-steps 1 --inpaint-steps 1 \
        --cache-dir "$work/kept" --progress json --log-level debug </dev/null >/dev/null 2>err.txt &
    run=$!
    for _ in {1..250}; do
        grep -q '"frame":[1-9]' err.txt && break
        kill -0 $run 2>/dev/null || break
        sleep 0.1
    done
    kill -TERM $run 2>/dev/null
    wait $run
    kill $watch
    wait $watch 2>/dev/null
    peak=$(awk -v idle="$idle" '$1 - idle > most { most = $1 - idle } END { printf "%d", most }' used.txt)
    grep -q '"frame":[1-9]' err.txt
}

for gib in 24 16 12 8; do
    begin=$SECONDS
    check "$gib GiB: a film of 1080p comes out" first_frame $gib
    check "$gib GiB: at most that much is taken" [ "$peak" -gt 1024 -a "$peak" -le $((gib * 1024)) ]
    grep -h '^\[info\] memory:' err.txt
    echo "row published_1080p_vram_${gib}g_peak_gib $(awk -v m="$peak" 'BEGIN { printf "%.3f", m / 1024 }') GiB"
    echo "$gib GiB: $((SECONDS - begin)) s"
    grep -h 'weights: .* came in' err.txt
    if [ $gib = 24 ]; then
        resident=$(sed -n 's/.*DepthCrafter.*: \([0-9.]*\) GB came in \([0-9.]*\) s.*/\1 \2/p' err.txt)
        check "3 GB of weights come in less than 2 s" awk -v r="$resident" \
            'BEGIN { split(r, a, " "); exit !(a[1] > 3 && a[2] > 0 && a[2] < 2) }'
        echo "row weights_load_gb_per_s $(awk -v r="$resident" 'BEGIN { split(r, a, " "); printf "%.2f", a[1] / a[2] }') GB/s"
    fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
