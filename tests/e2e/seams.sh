#!/bin/bash
# seams.sh PROGRAM TOOLS WORK: whether a film pulses in step with the chunks that are inpainted. One whose holes show
# their background does not, and a pulse of 0.1 in L* that is put into it is found. Toy networks with random weights
# draw colours far beyond what a match mends, and pulse; by default a hundredth of what --fidelity reference does, at
# most. How it is with a network whose colours are some per cent off, tests/unit/seams.c has.
set -u
. "$(dirname "$0")/common.bash"
golden --models "$work/models" "$(dirname "$0")/../golden/data" && cd "$work" || exit 1
window=9 overlap=2 period=7
scene_render scene 64x48 $((period * 10)) 1 3 >/dev/null || exit 1

make() { # NAME OPTIONS...
    convert scene/left.mkv "$1.mkv" --depth scene/depth.mkv --max-disparity 6 -c:v ffv1 -pix_fmt yuv444p10le "${@:2}"
}
network=(--models models --inpaint-window $window --inpaint-overlap $overlap --inpaint-steps 1 --inpaint-guidance 1)
check "background" make background --inpaint extend
check "by default" make default "${network[@]}"
check "by the letter" make reference "${network[@]}" --fidelity reference --convergence 0.45

pulses() { ! seams "$@" >out.txt; }
level() { seams "$1.mkv" $period | sed -n 's/.*period=\([^ ]*\).*/\1/p'; }
check "background does not pulse" seams background.mkv $period
check "a pulse is found" pulses background.mkv $period 0.1
check "the published scripts' pulse is found" pulses reference.mkv $period
check "by default it is a hundredth" at_least "$(level reference)" "$(awk -v p="$(level default)" 'BEGIN { print 100 * p }')"
for name in background default reference; do
    echo "$name: $(seams $name.mkv $period | tail -n 1)"
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
