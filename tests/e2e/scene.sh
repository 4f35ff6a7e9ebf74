#!/bin/bash
# scene.sh PROGRAM TOOLS WORK: a film whose depth and right eye are exactly known. With its depth imported,
# the made right eye must reach 38 dB where the left eye sees anything and 28 dB overall, and its holes must
# come nearer to the truth than extended alone; what doing nothing and the depth network reach is printed
# beside it.
set -u
. "$(dirname "$0")/common.bash"
film=$work/film

options=$(scene_render "$film" 480x270 24 2 1) || exit 1

made() { # NAME OPTIONS...: makes $film/NAME.mkv, the right eye alone
    local name=$1
    shift
    convert "$film/left.mkv" "$film/$name.mkv" --layout right -c:v ffv1 "$@" || exit 1
}

report() { # NAME FILM
    result=$(score "$2" "$film/right.mkv" --mask "$film/unseen.mkv") || exit 1
    printf '%-40s %s\n' "$1" "$result"
}

# $options are words
# shellcheck disable=SC2086
made exact --depth "$film/depth.mkv" $options
# shellcheck disable=SC2086
made extended --depth "$film/depth.mkv" --inpaint extend $options
made default --export-depth "$film/network.mkv"
fit "$film/network.mkv" "$film/depth.mkv" "$film/fitted_depth.mkv" >"$work/fit.txt" || exit 1
# shellcheck disable=SC2086
made fitted --depth "$film/fitted_depth.mkv" $options

report "left eye, nothing done" "$film/left.mkv"
report "depth network, default options" "$film/default.mkv"
report "depth network, scale and shift fitted" "$film/fitted.mkv"
report "exact depth, background extended alone" "$film/extended.mkv"
extended=$result
report "exact depth" "$film/exact.mkv"
if ! above "$(value hole "$result")" "$(value hole "$extended")"; then
    echo "FAILED: the network for holes does not help"
    exit 1
fi
if at_least "$(value seen "$result")" 38 && at_least "$(value psnr "$result")" 28; then
    echo "passed: at least 38 dB where the left eye sees, 28 dB overall"
else
    echo "FAILED: 38 dB where the left eye sees and 28 dB overall are asked for"
    exit 1
fi
