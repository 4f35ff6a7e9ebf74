#!/bin/bash
# report.sh PROGRAM TOOLS WORK: --report makes a page that loads nothing, whose numbers are those of --stats and whose
# pictures are the film's. Skips, after all that needs none, where there is no Chromium to draw it.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

# holds FILE EXPRESSION: over s, the page's data; t, what --stats says; and j(text), a still's bytes.
holds() { python3 -c "
import base64, json
page = open('$1', encoding='utf-8').read()
data = page.split('<script id=\"data\" type=\"application/json\">')[1].split('</script>')[0]
s, t, j = json.loads(data), json.load(open('stats.json')), base64.b64decode
assert $2"; }

# Shots of 6 and 9 frames. Of the first a fifth is near (white), the rest a dark grey; the second is far alone.
name='a <b> & "c" film.mkv'
ffmpeg -v error -f lavfi -i testsrc=s=200x100:r=25 -f lavfi -i mandelbrot=s=200x100:r=25 -filter_complex \
    '[0]trim=end_frame=6[a];[1]trim=end_frame=9,setpts=PTS-STARTPTS[b];[a][b]concat' -c:v ffv1 -pix_fmt yuv444p "$name" &&
    ffmpeg -v error -f lavfi -i color=black:s=200x100:r=25 -vf "format=gray16,geq=lum='if(lt(N,6),if(gte(X,160),65535,13107),0)'" \
        -frames:v 15 -c:v ffv1 depth.mkv || exit 1
common=("$name" --depth depth.mkv --max-disparity 4 --convergence 0.25 --inpaint extend)
convert "${common[@]}" out.mkv -c:v ffv1 --stats stats.json --viewer cinema --report page.html &&
    convert "${common[@]}" plain.mkv -c:v ffv1 || exit 1
decoded() { ffmpeg -v error -i "$1" -f framemd5 -; }
check "the film is the same" cmp -s <(decoded out.mkv) <(decoded plain.mkv)
check "the numbers are those of --stats" holds page.html \
    "all(all(a[k] == b[k] for k in b) for a, b in zip(s['shots'], t['shots'])) and len(s['shots']) == len(t['shots']) == 2"
check "a curve has every frame" holds page.html \
    "all(len(a['curve']) == a['frames'] and min(c[0] for c in a['curve']) - a['disparity']['p1'] < 1e-3 for a in s['shots'])"
check "it loads nothing" [ -z "$(grep -oE '(src|href)=.[^ ]*|url\(|@import|https?:[^ ]*' page.html | grep -v 'www.w3.org/2000/svg')" ]
check "stills of the second quarter" holds page.html "[a['still'] for a in s['shots']] == [2, 10]"
# psnr LAYOUT FRAME STILL: of a picture in the page against the film's own, both as RGB. At 4 of 31, JPEG loses some
# 1.5 % of full scale where testsrc has all colours side by side: 36 dB; another eye would have less than 20.
psnr() {
    holds page.html "open('still.jpg', 'wb').write(j(s['shots'][$2 // 6]['stills']['$3']))" &&
        convert "${common[@]}" one.mkv -c:v ffv1 --layout "$1" &&
        ffmpeg -v info -i one.mkv -i still.jpg -lavfi "[0]select=eq(n\,$2),format=gbrp[a];[1]format=gbrp[b];[a][b]psnr" \
            -frames:v 1 -f null - 2>&1 | sed -n 's/.*average:\([0-9.]*\|inf\).*/\1/p'
}
for pair in left:left right:right dubois:anaglyph; do
    check "the film's picture: $pair" at_least "$(psnr ${pair%:*} 2 ${pair#*:})" 30
done
check "which can be told from the other eye" above 30 "$(psnr right 2 left)"
# The left eye is the source's: a made one whose holes show its background is about as bright.
check "colours agree" holds page.html "0 < s['shots'][0]['colour'] < 3"
convert "${common[@]}" both.mkv --synthetic-view both --report both.html || exit 1
check "both eyes made" holds both.html "all(len(a['stills']) == 4 for a in s['shots'])"

# A long film keeps the pictures of some shots, and coarser curves: of 160 shots of 3 frames every 4th, and 2 parts.
ffmpeg -v error -f lavfi -i testsrc2=s=64x36:r=25 -frames:v 480 -c:v ffv1 many.mkv &&
    ffmpeg -v error -f lavfi -i testsrc2=s=64x36:r=25 -frames:v 480 -pix_fmt gray16le -c:v ffv1 deep.mkv || exit 1
python3 -c "import json; json.dump(dict(schema=1, shots=[dict(time=i * .12 - .01 * (i > 0)) for i in range(160)]), open('many.json', 'w'))"
convert many.mkv many_out.mkv --depth deep.mkv --shots many.json --inpaint extend --report many.html || exit 1
check "160 shots" holds many.html "[a['frames'] for a in s['shots']] == [3] * 160"
check "of which every fourth has pictures" holds many.html "[i for i, a in enumerate(s['shots']) if 'stills' in a] == list(range(0, 160, 4))"
check "with coarser curves" holds many.html "all((len(a['curve']), a['step']) == (2, 2) for a in s['shots'])"
extremes="all(abs(f(c[k] for c in a['curve']) - a['disparity'][d]) < 1e-3 for a in s['shots'] for f, k, d in ((min, 0, 'p1'), (max, 2, 'p99')))"
check "that still have the extremes" holds many.html "$extremes"

# A long shot has a curve of at most 64 parts, which still has its extremes.
convert many.mkv one_out.mkv --depth deep.mkv --inpaint extend --report long.html || exit 1
check "a long shot" holds long.html "[(len(a['curve']), a['step'], a['frames']) for a in s['shots']] == [(60, 8, 480)]"
check "and its extremes" holds long.html "$extremes"

mkdir films films/more
cp many.mkv films/a.mkv
cp many.mkv films/more/a.mkv
batch=(films -o results --recursive -t 0.1 --depth-size 64 --inpaint extend)
"$program" "${batch[@]}" --report one.html 2>err.txt
check "many films want a folder" [ $? = 2 ]
convert "${batch[@]}" --report pages/ || exit 1
check "a page for each film" [ -s pages/a.mkv.html -a -s pages/more/a.mkv.html ]
"$program" "${common[@]}" x.mkv --report no/page.html 2>err.txt
check "a page that cannot be written" [ $? = 11 ]
"$program" "${common[@]}" x.mkv -y --report "$name" 2>err.txt
check "not over the film" [ $? = 2 ]
"$program" "$name" --analyze list.json --report page.html 2>err.txt
check "not with --analyze" [ $? = 2 ]

echo "$passed passed, $failed failed"
[ $failed = 0 ] || exit 1
browser=$(command -v chromium-headless-shell || command -v chromium) || exit 77

# shown FILE EXPRESSION: over c, what the table's cells say by column, and dom, all of the page; t as above.
shown() { python3 -c "
import html, json, math, re
dom, t, c = open('$1', encoding='utf-8').read(), json.load(open('stats.json')), {}
for k, v in re.findall(r'<td[^>]*data-column=\"(\w+)\"[^>]*>([^<]*)<', dom):
    c.setdefault(k, []).append(html.unescape(v))
sign = lambda v, n=2: re.sub(r'^−(0\.?0*)$', r'\1', ('+' if v > 0 else '') + ('%.*f' % (n, v)).replace('-', '−'))
degree = lambda v: 2 * math.degrees(math.atan(v / 100 * 12 / 2 / 18))
rows = t['shots']
assert $2"; }
browse --dump-dom page.html >dom.html
check "its script runs" [ -z "$(grep -E 'CONSOLE.*(Uncaught|Refused|Failed)' log.txt)" ]
check "a row for each shot" shown dom.html "c['frames'] == [str(r['frames']) for r in rows]"
check "percent of width" shown dom.html "all(c[k] == [sign(r['disparity'][k]) for r in rows] for k in ('p1', 'p50', 'p99'))"
check "degrees for the viewer" shown dom.html "c['near'] == [sign(degree(r['disparity']['p99'])) + '°' for r in rows]"
check "holes" shown dom.html "c['hole'] == ['%.1f %%' % (100 * r['hole']) for r in rows]"
check "colours" shown dom.html "c['colour'] == ['%.2f' % r['colour'] for r in rows]"
check "the film's name is no markup" shown dom.html "'a &lt;b&gt; &amp; \"c\" film.mkv</h1>' in dom"
check "a contact sheet" shown dom.html "dom.count('alt=\"anaglyph\"') == 2"
# Keys: the second shot as anaglyph, in the dark.
sed 's|^draw();$|draw(); for (const key of ["ArrowRight", "4", "d"]) document.dispatchEvent(new KeyboardEvent("keydown", { key }));|' \
    page.html >keys.html
browse --dump-dom keys.html >dom.html
check "keys: a mode" shown dom.html "re.findall(r'data-set=\"(\w+)\" aria-pressed=\"true\"', dom) == ['anaglyph']"
check "keys: the picture" shown dom.html "re.findall(r'alt=\"(Shot [^\"]*)\" data-mode=\"\w+\"(?: class=\"\")?>', dom) == ['Shot 2, anaglyph']"
check "keys: dark" shown dom.html "'data-theme=\"dark\"' in dom"
browse --screenshot="$work/page.png" page.html
ffmpeg -v error -i page.png -f rawvideo -pix_fmt rgb24 page.rgb
check "it is drawn" python3 -c "
d = open('page.rgb', 'rb').read()
assert len(d) == 1320 * 2000 * 3 and len({d[i:i + 3] for i in range(0, len(d), 3)}) > 2000"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
