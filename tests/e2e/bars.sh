#!/bin/bash
# bars.sh PROGRAM TOOLS WORK: a film whose black bars change from shot to shot: above and below, none, at the sides, all
# round. They stay what they are in both eyes, nothing of them is drawn into the picture, and that is warped as it is without
# them. From rendered scenes, and from real clips where SC_TEST_DATA names them.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

length=8 # frames of a shot
# picture OF SHOT: x y width height
picture=("0 24 320 132" "0 0 320 180" "40 0 240 180" "40 20 240 140")

# barred OUT CLIP...: a shot of each clip, scaled into its picture.
barred() {
    local out=$1 i inputs=() graph='' all=''
    shift
    for i in 0 1 2 3; do
        read -r x y w h <<<"${picture[i]}"
        inputs+=(-i "$1")
        graph+="[$i:v]trim=end_frame=$length,setpts=N/25/TB,scale=320:180,crop=$w:$h:$x:$y,lutyuv=y=clip(val\\,40\\,235),pad=320:180:$x:$y:black,format=yuv420p,setsar=1[v$i];"
        all+="[v$i]"
        shift
    done
    ffmpeg -v error -y "${inputs[@]}" -filter_complex "$graph${all}concat=n=4" -r 25 -c:v ffv1 "$out"
}

# judged NAME: the eyes of NAME.mkv against the film, frame by frame. Luma of 40 and more is the picture's, 16 is a bar's:
# a column of it among the four outermost ones of the picture would make them darker by 20 or so on average, in the mean of
# the rows, than the film's; 12 is half of that.
judged() {
    ffmpeg -v error -i film.mkv -pix_fmt yuv420p -f rawvideo -y film.raw
    ffmpeg -v error -i "$1.mkv" -pix_fmt yuv420p -f rawvideo -y made.raw
    python3 - "$length" "${picture[@]}" <<'PYTHON'
import sys
w, h, per = 320, 180, int(sys.argv[1])
size = w * h * 3 // 2
film, made = open('film.raw', 'rb'), open('made.raw', 'rb')
warped = 0
for n in range(4 * per):
    x0, y0, pw, ph = map(int, sys.argv[2 + n // per].split())
    f, m = film.read(size), made.read(2 * size)
    assert len(m) == 2 * size, n
    for eye in range(2):
        edge = [0, 0]
        for y in range(h):
            a, b = f[y * w:(y + 1) * w], m[y * 2 * w + eye * w:y * 2 * w + (eye + 1) * w]
            if y < y0 or y >= y0 + ph:
                assert a == b, ('a bar above or below', n, eye, y)
                continue
            assert a[:x0] == b[:x0] and a[x0 + pw:] == b[x0 + pw:], ('a bar at a side', n, eye, y)
            warped += a != b
            for k, part in enumerate((slice(x0, x0 + 4), slice(x0 + pw - 4, x0 + pw))):
                edge[k] += sum(b[part]) - sum(a[part])
        assert all(e > -12 * 4 * ph for e in edge), ('a bar is drawn into the picture', n, eye, edge)
        for y in range(h // 2): # chroma of the bars
            for plane in range(2):
                o, q = w * h + plane * w * h // 4 + y * w // 2, 2 * w * h + plane * w * h // 2 + y * w + eye * w // 2
                a, b = f[o:o + w // 2], m[q:q + w // 2]
                if y < y0 // 2 or y >= (y0 + ph) // 2:
                    assert a == b, ('chroma of a bar', n, eye, y)
                else:
                    assert a[:x0 // 2] == b[:x0 // 2] and a[(x0 + pw) // 2:] == b[(x0 + pw) // 2:], ('chroma', n, eye, y)
assert warped > per * h, 'nothing is warped'
PYTHON
}

test_film() { # WHAT CLIP...
    local what=$1 view
    shift
    barred film.mkv "$@" || exit 1
    convert film.mkv --analyze film.json || exit 1
    check "$what: the bars of each shot" python3 -c "
import json, sys
want = [list(map(int, p.split())) for p in sys.argv[1:]]
found = [[t['picture'][k] for k in ('x', 'y', 'width', 'height')] for t in json.load(open('film.json'))['shots']]
assert found == want, found" "${picture[@]}"
    for view in right both; do
        convert film.mkv made.mkv -c:v ffv1 --synthetic-view $view --max-disparity 5 || exit 1
        check "$what, $view: bars stay" judged made
    done
    check "$what: strength is of the picture's width" ratio
}
# Strength is of the picture's width, not the film's: the warp of a shot with bars at its sides is that of the same
# pictures alone.
ratio() {
    read -r x y w h <<<"${picture[2]}"
    ffmpeg -v error -y -i film.mkv -vf "select=between(n\,$((2 * length))\,$((3 * length - 1))),setpts=N/25/TB,crop=$w:$h:$x:$y" -c:v ffv1 alone.mkv
    convert alone.mkv alone_right.mkv -c:v ffv1 --layout right --max-disparity 5 &&
        convert film.mkv all_right.mkv -c:v ffv1 --layout right --max-disparity 5 &&
        at_least "$(value psnr "$(score all_right.mkv alone_right.mkv \
            --made "select=between(n\,$((2 * length))\,$((3 * length - 1))),setpts=N/25/TB,crop=$w:$h:$x:$y" --true setpts=N/25/TB)")" 45
}

for i in 1 2 3 4; do
    scene_render scene$i.mp4 320x180 $length 1 $((20 + i)) >/dev/null || exit 1
done
test_film rendered scene1.mp4 scene2.mp4 scene3.mp4 scene4.mp4
if [ -n "${SC_TEST_DATA:-}" ]; then
    clips=$SC_TEST_DATA/video
    test_film real "$clips/cups_720p.mp4" "$clips/rooftop_handheld_360p.mp4" "$clips/bbb_720p_5.1.mp4" "$clips/person_walkin_432p_10fps.mp4"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
