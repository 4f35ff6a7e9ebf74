#!/bin/bash
# preview.sh PROGRAM TOOLS WORK: --preview shows places of a film that are not black, and ways to convert them that are
# what the program makes with these settings. Skips, after all that needs none, where there is no Chromium.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

# holds EXPRESSION: over s, the page's data; p, its places; and j(text), a still's bytes.
holds() { python3 -c "
import base64, json
page = open('film_preview/index.html', encoding='utf-8').read()
data = page.split('<script id=\"data\" type=\"application/json\">')[1].split('</script>')[0]
s, j = json.loads(data), base64.b64decode
p = s['places']
assert $1"; }
size() { ffprobe -v error -select_streams v -show_entries "stream=width,height$2" -of csv=p=0 "$1" | sed "s|,*$||"; }

# Nine seconds of which the middle three and a half, where the second of three places would be, are black.
ffmpeg -v error -f lavfi -i testsrc2=s=160x90:r=10:d=9 -f lavfi -i sine=d=9 -vf \
    "drawbox=c=black:t=fill:enable='between(t,3,6.45)'" -c:v libx264 -c:a aac film.mp4 || exit 1
common=(film.mp4 --depth-size 64 --inpaint extend)
convert "${common[@]}" --preview 3 --convergence 0.6 || exit 1
check "three places" holds "[round(q['time'], 1) for q in p] == [1.5, 6.5, 7]"
check "nine ways" holds "all([(w['max_disparity'], w['convergence']) for w in q['ways']] ==
    [(d, c) for d in (1.5, 2.5, 3.75) for c in (.35, .6, .85)] for q in p)"
check "samples" [ "$(size film_preview/place2.mp4 ,nb_frames)" = 320,90,20 ]
check "with sound" [ -n "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 film_preview/place2.mp4)" ]
check "the page names them" holds "[q['sample'] for q in p] == ['place1.mp4', 'place2.mp4', 'place3.mp4']"
for eye in left right anaglyph depth; do
    check "in full size: $eye" [ "$(size film_preview/place1_$eye.png ,pix_fmt)" = 160,90,rgb24 ]
done
check "depth is one, eyes are many" holds "all(len({w['stills']['right'] for w in q['ways']}) == 9 and set(w['stills']) ==
    {'right', 'anaglyph'} for q in p for w in q['ways'])"
# Percentiles are in proportion: the same depth, in the same frame.
check "depth is computed once" holds "all(abs((w['disparity'][k] / w['max_disparity'] + w['convergence']) -
    (q['ways'][4]['disparity'][k] / 2.5 + .6)) < 1e-3 for q in p for w in q['ways'] for k in ('p1', 'p50', 'p99'))"
# The frame that is shown is the 9th of the sample, as the 17th is black; converted with the settings of a way it is the same picture, but
# for what holes remember of the frames before. testsrc2's saturated edges at 4 of JPEG's 31 steps: some 33 dB.
convert "${common[@]}" way.mkv -ss 1.5 -t 2 --max-disparity 3.75 --convergence 0.85 --layout right -c:v ffv1 -pix_fmt yuv444p ||
    exit 1
psnr() { # WAY
    holds "open('still.jpg', 'wb').write(j(p[0]['ways'][$1]['stills']['right']))" &&
        ffmpeg -v info -i way.mkv -i still.jpg -lavfi "[0]select=eq(n\,8),format=gbrp[a];[1]format=gbrp[b];[a][b]psnr" \
            -frames:v 1 -f null - 2>&1 | sed -n 's/.*average:\([0-9.]*\|inf\).*/\1/p'
}
own=$(psnr 8) other=$(psnr 0)
check "a way is what the program makes: $own dB" at_least "$own" 26
check "and no other: $other dB" at_least "$own" "$(echo "$other" | awk '{ print $1 + 6 }')"
"$program" "${common[@]}" --preview 3 2>err.txt
check "not over another" [ $? = 3 ]
convert "${common[@]}" none --preview 1 --max-disparity 10 --convergence 0 -f null || exit 1
check "no samples" [ "$(echo none/*)" = "none/index.html none/place1_anaglyph.png none/place1_depth.png none/place1_left.png none/place1_right.png" ]
"$program" "${common[@]}" dry --preview 2 --dry-run 2>err.txt
check "a dry run" [ $? = 0 -a ! -e dry ]
for other in "--report x.html" "--convergence-mode subject" "--analyze x.json" "film.mp4 -o x" "a.mkv --layout tab b.mkv"; do
    # shellcheck disable=SC2086
    "$program" "${common[@]}" --preview 2 $other 2>err.txt
    check "not with $other" [ $? = 2 ]
done
"$program" - x --preview 2 <film.mp4 2>err.txt
check "not of a pipe" [ $? = 2 ]
"$program" "${common[@]}" gone --preview 8 --progress none 2>err.txt &
sleep 1.5
kill -INT $!
wait $!
check "interrupted: 130, and no page" [ $? = 130 -a ! -e gone/index.html ]

echo "$passed passed, $failed failed"
[ $failed = 0 ] || exit 1
browser=$(command -v chromium-headless-shell || command -v chromium) || exit 77

# shown FILE EXPRESSION: over dom, all of the page as Chromium has it, and at, the way that is chosen.
shown() { python3 -c "
import html, re
dom = re.sub(r'base64,[^\"]*', '', html.unescape(open('$1', encoding='utf-8').read())) # which may spell anything
at = re.findall(r'<code id=\"command\">([^<]*)<', dom)[0]
assert $2"; }
browse --dump-dom film_preview/index.html >dom.html
check "its script runs" [ -z "$(grep -E 'CONSOLE.*(Uncaught|Refused|Failed)' log.txt)" ]
check "as given" shown dom.html "at == 'stereocrafter film.mp4 --max-disparity 2.5 --convergence 0.6' and dom.split('<script')[0].count('· as given') == 3"
check "a picture for each way" shown dom.html "len(re.findall(r'data-item=\"\d+\"', dom)) == 27"
check "nothing is left undrawn" shown dom.html "'[object' not in dom and 'undefined' not in dom.split('<script')[0] and 'NaN' not in dom.split('<script')[0]"
sed 's|^draw();$|draw(); for (const key of ["n", "ArrowUp", "ArrowRight"]) document.dispatchEvent(new KeyboardEvent("keydown", { key }));|' \
    film_preview/index.html >film_preview/keys.html
browse --dump-dom film_preview/keys.html >dom.html
check "keys: another way" shown dom.html "'--max-disparity 1.5 --convergence 0.85' in at and 'id=\"title\">Place 2' in dom"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
