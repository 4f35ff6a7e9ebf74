#!/bin/bash
# cache.sh PROGRAM TOOLS WORK: depth that is kept, found again where it is of the same film by the same settings, and not else.
set -u
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

run() { # ARGUMENTS...: stderr to err.txt, exit code to $code
    "$program" -y --progress none --cache --cache-dir kept/here --depth-size 64 -c:v ffv1 "$@" 2>err.txt </dev/null
    code=$?
}
files() { find kept -name '*.nut' 2>/dev/null | wc -l; }
drawn() { grep -q 'cache: this film.s depth will be kept' err.txt; }
found() { grep -q 'depth: from kept/here/depth/' err.txt && ! grep -q 'depth: built in' err.txt; } # no network is opened

scene_render film.mp4 192x108 10 && mkdir kept || exit 1
run film.mp4 first.mkv
check "depth is drawn" drawn
check "and kept" [ "$(files)" = 1 ]
run film.mp4 again.mkv
check "and found" found
convert film.mp4 plain.mkv --depth-size 64 -c:v ffv1 || failed=1
# 16 bits of depth are 1/27000 pixel here: codes differ where a rounding falls the other way.
check "to the same picture" at_least "$(value psnr "$(score again.mkv plain.mkv)")" 60
run film.mp4 strong.mkv --max-disparity 5 --layout tab
check "for another strength" found
run film.mp4 near.mkv --convergence 1
check "for another convergence" found
run film.mp4 size.mkv --depth-size 80
check "not for another network's input" drawn
run film.mp4 part.mkv --frames 5
check "not for a part" drawn
check "each has its own" [ "$(files)" = 3 ]
list() { echo "{\"schema\": 1, \"shots\": [{\"time\": 0, \"convergence\": $1}, {\"time\": $2}]}" >shots.json; }
list 0.2 0.2 && run film.mp4 cut.mkv --shots shots.json
check "not for other shots" drawn
list 0.7 0.2 && run film.mp4 nearer.mkv --shots shots.json
check "for the same shots at another convergence" found
list 0.2 0.3 && run film.mp4 later.mkv --shots shots.json
check "not for a cut elsewhere" drawn
touch film.mp4
run film.mp4 new.mkv
check "not for a film that was changed" drawn
run film.mp4 no.mkv --depth-size 96 -pix_fmt yuv12345
check "a run that fails" [ "$code" = 2 ]
check "keeps nothing" [ "$(files)" = 6 ]
run film.mp4 both.mkv --export-depth depth.nut
check "a sidecar of one's own is another thing" [ "$code" = 2 ]
cat film.mp4 | run - pipe.mkv
check "a pipe has no depth to keep" [ "$code" = 2 -o "$code" = 9 ]

[ $failed = 0 ]
