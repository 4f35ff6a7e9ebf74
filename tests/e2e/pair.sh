#!/bin/bash
# pair.sh PROGRAM TOOLS WORK: --score, on a pair whose truth is known because it is rendered.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

options=$(scene_render film 320x180 6 2 1) || exit 1
strength=$(echo "$options" | sed -n 's/.*--max-disparity \([0-9.]*\).*/\1/p')
convergence=$(echo "$options" | sed -n 's/.*--convergence \([0-9.]*\).*/\1/p')
# holds CONDITION: of s, the score in stats.json, and of t, the one that was kept as other.json
holds() {
    python3 -c "
import json
s, t = (json.load(open(f))['score'] for f in ('stats.json', 'other.json'))
made, floor, fit, frames = s['made'], s['floor'], s.get('fit'), s['frames']
assert $1, s"
}
pair=(film/left.mkv film/right.mkv)
judge() { convert --score --stats stats.json "$@" || exit 1; }

judge "${pair[@]}" --depth film/depth.mkv
cp stats.json other.json
echo "given $strength $convergence, $(grep -o 'fitted.*' log.txt)"
check "strength is found" holds "abs(fit['max_disparity'] - $strength) < .05 * $strength"
check "convergence is found" holds "abs(fit['convergence'] - $convergence) < .05"
check "a number for each frame" holds "len(frames) == 6 and all(f['made']['psnr'] > f['floor']['psnr'] for f in frames)"
check "better than nothing in all" holds "all(made[k] > floor[k] for k in ('psnr', 'ssim', 'siou')) and \
    made['disparity'] < floor['disparity'] / 4 and made['seam'] < floor['seam']"
check "a film's depth fits it" holds "made['psnr'] > 35 and made['disparity'] < .1 and made['colour'] < 1"
# shellcheck disable=SC2086
convert film/left.mkv made.mkv --layout right -c:v ffv1 --depth film/depth.mkv $options || exit 1
judge "${pair[@]}" made.mkv
check "what an own measure says" at_least 0.02 "$(python3 -c "
import json
print(abs(json.load(open('stats.json'))['score']['made']['psnr'] - $(value psnr "$(score made.mkv film/right.mkv)")))")"
check "a film made elsewhere has no fit" holds "fit is None and all('fit' not in f for f in frames)"
check "and the same floor" holds "floor == t['floor']"
convert film/left.mkv sbs.mkv -c:v ffv1 --depth film/depth.mkv --max-disparity "$strength" --convergence "$convergence"
cp stats.json other.json
judge "${pair[@]}" sbs.mkv
check "both eyes in one film: its right one" holds "made == t['made']"

judge "${pair[@]}" film/right.mkv
check "the truth itself" holds "made['psnr'] is None and made['siou'] == 1 and made['disparity'] < .01 and made['colour'] == 0"
judge "${pair[@]}" film/left.mkv
check "the left eye is the floor" holds "made == floor"
ffmpeg -v error -i film/right.mkv -vf "eq=brightness=0.1" -c:v ffv1 dim.mkv
judge "${pair[@]}" dim.mkv
check "another brightness is a colour" holds "made['colour'] > 5 and made['siou'] > .6 and made['disparity'] < .1"

judge "${pair[@]}" --frames 3 --depth-size 64
cp stats.json other.json
ffmpeg -v error -i film/left.mkv -i film/right.mkv -filter_complex hstack -c:v ffv1 both.mkv
judge both.mkv --frames 3 --depth-size 64
check "a pair side by side" holds "made == t['made'] and floor == t['floor'] and fit == t['fit']"

# refused WHAT PATTERN ARGUMENTS...
refused() {
    local what=$1 pattern=$2
    shift 2
    "$program" --score "$@" 2>log.txt
    check "$what: code" [ $? != 0 ]
    check "$what: line" grep -q -e "$pattern" log.txt
}
refused "size" 'both.mkv is 640x180, the left eye 320x180' film/left.mkv both.mkv
ffmpeg -v error -i film/right.mkv -frames:v 2 -c copy short.mkv
refused "length" 'short.mkv has 2 frames, the left eye more' film/left.mkv short.mkv
refused "files" 'one film too many' a b c d
refused "output" 'an output does not go with it' a b -o c
refused "analyze" 'analyze does not go with it' a b --analyze c
refused "left eye" '--synthetic-view right' a b --synthetic-view left
check "nothing is written" [ ! -e c ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
