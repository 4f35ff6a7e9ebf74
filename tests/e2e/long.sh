#!/bin/bash
# long.sh PROGRAM TOOLS WORK [FRAMES]: a long film takes no more memory than a short one, and its last frames no longer
# than its first: in the built-in tier, with one range of depth for the film, and with toy-sized published networks in
# windows. FRAMES: 300; 2000 shows smaller leaks.
set -u
. "$(dirname "$0")/common.bash"
grep -qE '__(a|t)san_init' "$program" && echo "skipped: what a sanitizer keeps of freed memory grows" && exit 77
golden --models "$work/models" "$(dirname "$0")/../golden/data" && cd "$work" || exit 1
frames=${4:-300}
scene_render film.mp4 64x48 "$frames" $((frames / 100)) || exit 1
film=(film.mp4 -f null --threads 2)

# Over frames [from, to): the most memory, and ticks a frame.
over() { # FROM TO
    awk -v from="$1" -v to="$2" '$1 >= from && $1 < to { if (!n++) { f = $1; t = $3 } g = $1; u = $3; if ($2 > m) m = $2 }
        END { printf "%d %.3f", m, (g > f ? (u - t) / (g - f) : 0) }' samples.txt
}

# Memory: what the allocator rounds and threads' stacks are given as they are first needed; a frame's smallest picture
# is 12 KiB, so one that is lost in each is 1.8 MiB in 150 frames. Time: within half, for a busy machine; what grew with
# the film would double.
flat() {
    local early late
    early=$(over $((frames / 6)) $((frames / 2))) late=$(over $((frames / 2)) "$frames")
    echo "$1: $early KiB and ticks a frame until the middle, then $late"
    [ "${early%% *}" -gt 0 ] && at_least $((${early%% *} + 1024)) "${late%% *}" &&
        awk -v a="${early##* }" -v b="${late##* }" 'BEGIN { exit !(a > 0 && b > 0 && b < 1.5 * a) }'
}

test_tier() { # NAME OPTIONS...
    check "$1 comes out" watched "${film[@]}" "${@:2}"
    check "$1 stays as it is" flat "$1"
}
test_tier "built in" --depth-size 64
# The first of two passes writes no frames: two films are compared.
range=(--depth-size 64 --depth-range film)
check "one range comes out, of a quarter" watched "${film[@]}" "${range[@]}" --frames $((frames / 4))
quarter=$most
check "one range comes out" watched "${film[@]}" "${range[@]}"
echo "one range: $quarter KiB for a quarter of the film, $most for all"
check "one range takes no more for more" at_least $((quarter + 1024)) "$most"
test_tier "published" --models models --depth-window 8 --depth-overlap 2 --depth-steps 1 --inpaint-window 6 \
    --inpaint-overlap 2 --inpaint-steps 1 --inpaint-guidance 1

echo "$passed passed, $failed failed"
[ $failed = 0 ]
