#!/bin/bash
# shots.sh PROGRAM TOOLS WORK: --analyze lists a film's shots, and --shots converts each as the list has it.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

# holds EXPRESSION: over s, the shots of film.json.
holds() { python3 -c "import json; s = json.load(open('film.json'))['shots']; assert $1" 2>/dev/null; }
# edit FILE STATEMENT: film.json with a change to its shots s, as FILE.
edit() { python3 -c "
import json
film = json.load(open('film.json'))
s = film['shots']
$2
json.dump(film, open('$1', 'w'))"; }
frames() { ffmpeg -v error -i "$1" -map 0:v -f framemd5 - | sed -n '/^0,/s/.*, *//p' >"$1.md5"; }
# same A B FIRST LAST: whether these frames, from 1 on, are the same pictures.
same() { cmp -s <(sed -n "$3,$4p" "$1.md5") <(sed -n "$3,$4p" "$2.md5"); }
differ() { ! cmp -s <(sed -n "$3,$4p" "$1.md5") <(sed -n "$3,$4p" "$2.md5"); }
near() { holds "abs($1 - $2) < 1e-3"; }

# Shots of 6 and 9 frames. Of the first a fifth, at the right side, is near; the second is far alone.
ffmpeg -v error -f lavfi -i testsrc=s=200x100:r=25 -f lavfi -i mandelbrot=s=200x100:r=25 -filter_complex \
    '[0]trim=end_frame=6[a];[1]trim=end_frame=9,setpts=PTS-STARTPTS[b];[a][b]concat' -c:v ffv1 -pix_fmt yuv444p film.mkv &&
    ffmpeg -v error -f lavfi -i color=black:s=200x100:r=25 -vf "format=gray16,geq=lum='if(lt(N,6),if(gte(X,160),65535,13107),0)'" \
        -frames:v 15 -c:v ffv1 depth.mkv || exit 1
given=(--depth depth.mkv --max-disparity 4 --convergence 0.25)
convert film.mkv "${given[@]}" --analyze film.json || exit 1
check "shots" holds "[(t['frame'], t['frames'], t['time']) for t in s] == [(0, 6, 0), (6, 9, 0.24)]"
check "pictures" holds "all(t['picture'] == {'x': 0, 'y': 0, 'width': 200, 'height': 100} for t in s)"
check "nearest" near "s[0]['disparity']['p99']" 3
# 3 % of width in front of the screen at the side: the screen goes as near as it may, and 4 % stay within a degree.
check "a warning" holds "'cut off by a side' in s[0]['warnings'][0]"
check "a screen that is nearer" holds "s[0]['convergence'] == 0.75 and s[0]['max_disparity'] == 4"
check "nothing to warn of" holds "s[1]['warnings'] == [] and s[1]['convergence'] == 0.25"
convert film.mkv --depth depth.mkv --max-disparity 10 --convergence 0 --analyze strong.json || exit 1
check "a strength that is less" python3 -c "
import json, math
s = json.load(open('strong.json'))['shots'][0]
most = 2 * math.degrees(math.atan(.01 * 1.439 / 2 / 2.5))
assert s['max_disparity'] * max(1 - s['convergence'], s['convergence'] - .2) <= 1 / most + .01 < 10"

lossless=(--layout right -c:v ffv1 -pix_fmt yuv444p --depth depth.mkv)
edit plain.json "for t in s: t.update(max_disparity=4, convergence=.25)"
edit bare.json "for t in s: [t.pop(k) for k in list(t) if k != 'time']"
edit second.json "for t in s: t.update(max_disparity=4, convergence=.25)
s[1]['convergence'] = .5"
edit cut.json "s.insert(1, dict(time=.08, max_disparity=2))"
edit bars.json "s[0]['picture'].update(x=20, width=140)"
for list in plain bare second cut bars; do
    convert film.mkv $list.mkv "${lossless[@]}" "${given[@]:2}" --shots $list.json --stats $list.stats.json || exit 1
    frames $list.mkv
done
convert film.mkv none.mkv "${lossless[@]}" "${given[@]:2}" && frames none.mkv || exit 1
check "the same values, the same film" same plain.mkv none.mkv 1 15
check "what is not said is as the options have it" same bare.mkv none.mkv 1 15
check "one shot is changed" differ second.mkv none.mkv 7 7
check "the other is not" same second.mkv none.mkv 1 6
check "a cut by hand" python3 -c "
import json
s = json.load(open('cut.stats.json'))['shots']
assert [t['first'] for t in s] == [0, 2, 6] and abs(s[1]['disparity']['p99'] - 2 * .75) < 1e-3"
strip() { ffmpeg -v error -i "$1" -frames:v 1 -vf "crop=$2:100:$3:0,format=yuv444p" -f framemd5 - | tail -n 1; }
bar_is_source() { [ "$(strip bars.mkv 40 160)" = "$(strip film.mkv 40 160)" ]; }
check "a bar is not warped" bar_is_source
# A part of the film has the shots that are on then: alone, without a depth file, whose frames are counted.
convert film.mkv whole.mkv "${lossless[@]:0:6}" --shots second.json &&
    convert film.mkv part.mkv "${lossless[@]:0:6}" --shots second.json -ss 0.24 || exit 1
frames whole.mkv && frames part.mkv
check "a part" cmp -s <(tail -n 9 whole.mkv.md5) part.mkv.md5

# refused WHAT FILE PATTERN: with exit code 2 and a line.
refused() { check "$1" eval "\"\$program\" film.mkv x.mkv --shots $2 2>log.txt; [ \$? = 2 ] && grep -q '$3' log.txt && [ ! -e x.mkv ]"; }
edit range.json "s[1]['convergence'] = 1.5"
edit order.json "s[1]['time'] = 0"
edit outside.json "s[0]['picture']['width'] = 201"
edit timeless.json "del s[0]['time']"
edit empty.json "s.clear()"
edit size.json "film['source']['width'] = 100"
echo '[1' >broken.json
refused "convergence" range.json 'range.json: shots\[1\].convergence: 0 to 1 expected'
refused "order" order.json 'shots\[1\].time: a later time'
refused "picture" outside.json 'shots\[0\].picture: '
refused "no time" timeless.json 'shots\[0\].time: seconds expected'
refused "no shots" empty.json 'empty.json: shots: '
refused "another film's" size.json 'of a film of 100x100, not of 200x100'
refused "no JSON" broken.json 'broken.json: not a JSON object'
refused "no file" missing.json 'missing.json: cannot be read'
"$program" film.mkv x.mkv --analyze y.json 2>log.txt
check "an output with --analyze" [ $? = 2 ]

[ $failed = 0 ]
