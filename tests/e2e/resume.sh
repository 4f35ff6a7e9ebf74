#!/bin/bash
# resume.sh PROGRAM TOOLS WORK: a film whose making is interrupted is gone on with, and comes out as if it had not been.
# $SC_KILLS: how many runs are killed, each at a moment of its own.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null || exit 77
cd "$work" || exit 1

common=(--depth-size 64 --segment-frames 20 --progress none)
both=(--export-depth depth.nut --stats stats.json --report page.html out.mkv --layout tab -c:v mpeg4 tab.mkv)
start() { # ARGUMENTS...: in the background, as $child; memory that nobody has written is never the same
    MALLOC_PERTURB_=$((RANDOM % 255 + 1)) "$program" film.mkv "${common[@]}" "$@" 2>err.txt &
    child=$!
}
run() { # ARGUMENTS...: to its end, whose code is $code
    start "$@" "${both[@]}"
    wait $child
    code=$?
}
stop() { # SIGNAL: what was started; its end's code is $code
    kill -s "$1" $child 2>/dev/null
    wait $child 2>/dev/null
    code=$?
}
# fingerprint NAME: of every decoded frame, packet and timestamp, and of what is told of the shots.
fingerprint() {
    traces out.mkv tab.mkv depth.nut >"$1"
    sed -n '/"shots":.*\[/,$p' stats.json >>"$1"
    grep -o '"shots":\[.*\],"report"' page.html >>"$1"
}
same() { [ -s "$1" ] && cmp -s "$1" "$2"; }
has() { grep -q -e "$1" err.txt; }
clean() { rm -rf out.mkv* tab.mkv* depth.nut* stats.json page.html; }
tidy() { [ "$(echo out.mkv* tab.mkv* depth.nut*)" = "out.mkv tab.mkv depth.nut" ]; }
segments() { find out.mkv.parts -name '*.seg' 2>/dev/null | wc -l; }
# wait_for N: until N segments of the first output are there, or half a minute is over.
wait_for() {
    for _ in $(seq 600); do
        [ "$(segments)" -lt "$1" ] && kill -0 $child 2>/dev/null || return
        sleep 0.05
    done
}

# Shots that begin and end anywhere, one with bars (which the next dark one inherits), one of a frame, a long one.
shots="color=s=96x54:c=gray:r=25,trim=end_frame=1[a];testsrc2=s=96x54:r=25,trim=end_frame=70[b]"
shots+=";mandelbrot=s=96x54:r=25,trim=end_frame=33[c];life=s=96x38:mold=10:r=25:seed=3:ratio=0.3,trim=end_frame=41"
shots+=",format=yuv420p,pad=96:54:0:8[d];testsrc2=s=96x38:r=25,lutyuv=y=val*0.2,pad=96:54:0:8,trim=end_frame=30[e]"
shots+=";testsrc=s=96x54:r=25,trim=end_frame=65[f];mandelbrot=s=96x54:r=25:start_scale=0.01,trim=end_frame=60[g]"
shots+=";[a][b][c][d][e][f][g]concat=n=7,format=yuv420p,setpts=N/25/TB"
ffmpeg -v error -f lavfi -i "$shots" -f lavfi -i sine=d=12 -c:v libx264 -g 50 -bf 3 -preset veryfast -c:a aac film.mkv ||
    exit 1

begin=$(date +%s%N)
run
took=$((($(date +%s%N) - begin) / 1000000)) # ms
fingerprint whole.txt
cp out.mkv whole.mkv
check "a whole film" [ "$(ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 out.mkv |
    head -n 1 | tr -d ,)" = 300 ]
check "leaves nothing beside it" tidy
check "its page shows every shot" [ "$(grep -o '"stills":{"left":"' page.html | wc -l)" = "$(grep -c '"first":' stats.json)" ]

RANDOM=${SC_SEED:-42}
for k in $(seq "${SC_KILLS:-2}"); do
    clean
    start "${both[@]}"
    moment=$(((RANDOM * 32768 + RANDOM) % (took * 9 / 10)))
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    stop KILL
    there=$(segments)
    [ -e out.mkv ] || run
    fingerprint again.txt
    check "killed after $moment ms, with $there segments: the same film" same again.txt whole.txt
    check "killed after $moment ms: nothing is left" tidy
done

clean
for n in 2 4 6; do # one film, interrupted several times
    start "${both[@]}"
    wait_for $n
    stop INT
    check "an interrupted run: 130" [ $code = 130 ]
    check "tells how to go on" has "frames are done; the same command goes on"
done
run --max-disparity 1
check "other settings: 3" [ $code = 3 ]
check "are told so" has "with other settings"
run
fingerprint again.txt
check "interrupted three times: the same film" same again.txt whole.txt

clean
start "${both[@]}"
wait_for 3
stop INT
seg=$(find out.mkv.parts -name '*.seg' | sort | sed -n 2p)
printf '\377' | dd of="$seg" bs=1 seek=2000 conv=notrunc 2>/dev/null
run
check "a damaged segment is found" [ $code = 11 ]
check "and named" has "$(basename "$seg"): is damaged"
run
fingerprint again.txt
check "it is made anew" same again.txt whole.txt

clean
mkdir small
room=$(($(stat -c %s whole.mkv) * 3 / 1024)) # of which its segments and the film need two thirds
if mount -t tmpfs -o size=${room}k none small 2>/dev/null; then
    head -c $((room * 700)) /dev/zero >small/other
    start small/out.mkv
    wait $child
    check "a full disk: 6" [ $? = 6 ]
    start --on-full pause small/out.mkv
    for _ in $(seq 600); do
        has "waiting until there is" || ! kill -0 $child 2>/dev/null && break
        sleep 0.05
    done
    check "is waited for" has "waiting until there is"
    rm small/other
    wait $child
    check "goes on when there is room" [ $? = 0 ]
    check "and says so" has "there is room again"
    ffmpeg -v error -i whole.mkv -map 0 -f framemd5 whole.md5
    ffmpeg -v error -i small/out.mkv -map 0 -f framemd5 small.md5
    check "the same film" same small.md5 whole.md5
    umount small
else
    echo "left out: full disk, mounting is not permitted here"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
