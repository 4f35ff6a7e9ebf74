#!/bin/bash
# screen.sh PROGRAM TOOLS WORK: what moves the screen: --floating-window and --convergence-mode subject, with depth that is
# given.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

# film NAME DEPTH FRAMES...: two shots, the second from frame 40 on; DEPTH: lum of 16 bits, for geq
film() {
    ffmpeg -v error -f lavfi -i testsrc2=s=200x100:r=25 -f lavfi -i mandelbrot=s=200x100:r=25 -filter_complex \
        '[0]trim=end_frame=40[a];[1]trim=end_frame=10,setpts=PTS-STARTPTS[b];[a][b]concat,lutyuv=y=clip(val\,60\,235)'"$3" \
        -c:v ffv1 -pix_fmt yuv444p "$1.mkv" &&
        ffmpeg -v error -f lavfi -i color=black:s=200x100:r=25 -vf "format=gray16,geq=lum='$2'" -frames:v 50 -c:v ffv1 "$1.depth.mkv"
}
# make NAME FILM OPTIONS...: NAME.left.mkv and NAME.right.mkv
make() {
    local name=$1 film=$2
    shift 2
    convert "$film.mkv" --depth "$film.depth.mkv" --max-disparity 4 --convergence 0.25 -c:v ffv1 -pix_fmt yuv444p --layout left "$name.left.mkv" \
        -c:v ffv1 -pix_fmt yuv444p --layout right "$name.right.mkv" "$@" || exit 1
    for eye in left right; do
        ffmpeg -v error -i "$name.$eye.mkv" -pix_fmt gray -f rawvideo - >"$name.$eye.raw"
        ffmpeg -v error -i "$name.$eye.mkv" -f framemd5 - | grep -v '^#' | sed 's/.*,//' >"$name.$eye.md5"
    done
}
# holds CONDITION: of at(name, frame, column) = luma in the middle row, and lines(name) = each frame's sum.
holds() {
    python3 -c "
def at(name, frame, column, row=30): return raw(name)[frame * 20000 + row * 200 + column]
def raw(name): return open(name + '.raw', 'rb').read()
def lines(name): return open(name + '.md5').read().split()
def black(name, frame, right=False): # columns, from a side, that are darker than the film ever is
    n = 0
    while at(name, frame, 199 - n if right else n) < 50: n += 1
    return n
assert $1"
}

# In the first shot the left fifth is near, from frame 20 on the right one too; in the second all is far.
near="if(lt(N,40)*(lt(X,40)+gte(X,160)*gte(N,20)),65535,13107)"
film front "$near" "" || exit 1
make off front && make auto front --floating-window auto || exit 1
make said front --floating-window off || exit 1
check "off is the default" cmp off.right.md5 said.right.md5
# 3 % of 200 columns stand in front of the screen: 6, of which the last 2 fade.
check "the left eye's side is black" holds "all(at('auto.left', n, x) < 20 for n in (0, 10, 39) for x in range(4))"
check "and softly ends" holds "at('auto.left', 0, 3) < at('auto.left', 0, 4) < at('auto.left', 0, 5) < at('off.left', 0, 5)"
check "the rest is the source's" holds "all(at('auto.left', n, x, y) == at('off.left', n, x, y) for n in (0, 10, 39)
    for y in (0, 50, 99) for x in range(6, 200))"
check "the right eye is as it was" holds "lines('auto.right')[:20] == lines('off.right')[:20]"
check "its side follows smoothly" holds "[black('auto.right', n, True) for n in (19, 20)] == [0, 0] and \
    0 < black('auto.right', 25, True) < black('auto.right', 36, True) <= 5"
check "a cut is the end of it" holds "lines('auto.left')[40:] == lines('off.left')[40:] and lines('auto.right')[40:] == lines('off.right')[40:]"
make both front --floating-window auto --synthetic-view both || exit 1
check "of two made eyes as well" holds "all(at('both.left', n, x) < 20 for n in (0, 39) for x in range(4)) and black('both.left', 40) == 0"
echo '{"schema": 1, "shots": [{"time": 0, "floating_window": true}, {"time": 1.6}]}' >list.json
make listed front --shots list.json || exit 1
check "a listed shot has its own" cmp listed.left.md5 auto.left.md5
echo '{"schema": 1, "shots": [{"time": 0, "floating_window": false}, {"time": 1.6}]}' >list.json
make listed front --shots list.json --floating-window auto || exit 1
check "or none" cmp listed.left.md5 off.left.md5
echo '{"schema": 1, "shots": [{"time": 0, "floating_window": 1}]}' >list.json
"$program" front.mkv x.mkv --shots list.json 2>log.txt
check "a mistake is told" eval "[ $? = 2 ] && grep -q 'floating_window: true or false expected' log.txt"
film barred "if(lt(X,60)*gte(X,20)*lt(N,40),65535,13107)" ",drawbox=w=20:h=100:color=black:t=fill,drawbox=x=180:w=20:h=100:color=black:t=fill" || exit 1
make bars barred --floating-window auto || exit 1
check "beside a black bar" holds "all(at('bars.left', 5, x) < 20 for x in range(23)) and at('bars.left', 5, 27) >= 50"

# All at one depth, which lies in the screen plane, so that nothing is shifted: 0.6, and from frame 10 of a shot on 0.4.
film flat "if(lt(N,10),39321,if(lt(N,40),26214,45875))" "" || exit 1
make subject flat --convergence-mode subject || exit 1
check "what is in the middle is in the screen" holds "lines('subject.right')[:10] == lines('subject.left')[:10]"
check "another is followed" holds "lines('subject.right')[10:20] != lines('subject.left')[10:20]"
psnr() { # FROM TO: of these frames
    value psnr "$(score subject.right.mkv subject.left.mkv --made "trim=start_frame=$1:end_frame=$2" --true "trim=start_frame=$1:end_frame=$2")"
}
check "smoothly" above "$(psnr 36 40)" "$(psnr 11 15)"
check "and at once at a cut" holds "lines('subject.right')[40:] == lines('subject.left')[40:]"
film clamped 65535 "" || exit 1
make nearest clamped --convergence-mode subject --stats stats.json || exit 1
check "but not all comes before the screen" python3 -c "
import json; p = json.load(open('stats.json'))['shots'][0]['disparity']['p50']; assert abs(p - .2 * 4) < .02, p"
"$program" front.mkv x.mkv --convergence-mode subject --analyze x.json 2>log.txt
check "not where each shot has its own" eval "[ $? = 2 ] && grep -q 'a convergence for each shot' log.txt"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
