#!/bin/bash
# stats.sh PROGRAM TOOLS WORK: --stats says of a film what is known of it: two shots with the depth of a sidecar.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

# holds EXPRESSION: over s, what the file says.
holds() { python3 -c "import json; s = json.load(open('stats.json')); assert $1" 2>/dev/null; }

# Shots of 6 and 9 frames. Of the first a fifth is near (white), the rest a dark grey; the second is far alone.
ffmpeg -v error -f lavfi -i testsrc=s=200x100:r=25 -f lavfi -i mandelbrot=s=200x100:r=25 -filter_complex \
    '[0]trim=end_frame=6[a];[1]trim=end_frame=9,setpts=PTS-STARTPTS[b];[a][b]concat' -c:v ffv1 -pix_fmt yuv444p film.mkv &&
    ffmpeg -v error -f lavfi -i color=black:s=200x100:r=25 -vf "format=gray16,geq=lum='if(lt(N,6),if(gte(X,160),65535,13107),0)'" \
        -frames:v 15 -c:v ffv1 depth.mkv || exit 1
common=(film.mkv --depth depth.mkv --max-disparity 4 --convergence 0.25 --inpaint extend)
convert "${common[@]}" out.mkv --stats stats.json || exit 1
check "schema" holds "s['schema'] == 1"
check "frames" holds "s['frames'] == 15 and abs(s['fps'] * s['seconds'] - 15) < 1e-6"
check "source" holds "s['source']['path'] == 'film.mkv' and s['source']['width'] == 200"
check "bytes" holds "s['bytes'] == $(stat -c %s out.mkv)"
check "all of the time" holds "abs(sum(s['share'].values()) - 1) < 1e-6"
check "shots" holds "[(t['first'], t['frames']) for t in s['shots']] == [(0, 6), (6, 9)]"
# Quantiles are good to 1/4096 of the range: 4 % of width over 4096. The mean of medians adds rounding alone.
check "disparity" holds "all(abs(s['shots'][0]['disparity'][k] - v) < 4 / 4096 + 1e-6 for k, v in
    (('p1', (0.2 - 0.25) * 4), ('p50', (0.2 - 0.25) * 4), ('p99', 3)))"
check "disparity of a flat shot" holds "all(abs(v + 1) < 1e-6 for v in s['shots'][1]['disparity'].values())"
# The edge moves by 0.8 * 4 % of 200 = 6.4 columns, and what is shifted by its own side: a column either way.
check "holes" holds "abs(s['shots'][0]['hole'] * 200 - 6.4) <= 2 and 0 <= s['shots'][1]['hole'] * 200 <= 2.1"
cp stats.json one.json
convert "${common[@]}" both.mkv --stats stats.json --synthetic-view both || exit 1
check "both views: the same disparity" holds "s['shots'][0]['disparity'] == json.load(open('one.json'))['shots'][0]['disparity']"
check "both views: the same frames" holds "[t['frames'] for t in s['shots']] == [6, 9]"
convert "${common[@]}" plain.nut -c:v ffv1 && convert "${common[@]}" gauged.nut -c:v ffv1 --stats stats.json || exit 1
check "the picture is the same" cmp plain.nut gauged.nut

# On a television of 1.439 m at 2.5 m: 3 % before the screen, 1 % behind it in the second shot.
said() { grep -q "$1" log.txt; }
convert "${common[@]}" tv.mkv --viewer tv65@2.5m || exit 1
check "degrees" said '2.5 m: 0.99 degrees in front of the screen (shot 1, frame 0), 0.33 behind it (shot 2, frame 6)'
check "degrees that strength allows" said '2.5 m: 0.99 degrees in front of the screen at most, 0.33 behind it$'
convert "${common[@]}" tv.mkv --viewer cinema --max-parallax 1.2 || exit 1
check "a limit that is kept" said '12 m at 18 m: 1.15 degrees'
"$program" "${common[@]}" limit.mkv --viewer cinema --max-parallax 1.1 --progress none 2>log.txt
check "a limit that is not" [ $? = 4 ]
check "is said with frame and shot" said 'frame 0 (shot 1) has 1.15 degrees in front of the screen, more than 1.1'
check "after the film is written" [ -s limit.mkv ]
"$program" "${common[@]}" limit.mkv --max-parallax 1.1 2>log.txt
check "a limit for nobody" [ $? = 2 ]
"$program" "${common[@]}" film2.mkv --stats film.mkv 2>log.txt
check "not over the film" [ $? = 2 ]
"$program" "${common[@]}" film2.mkv --progress none --stats no/folder.json 2>log.txt
check "a file that cannot be written" [ $? = 11 ]

[ $failed = 0 ]
