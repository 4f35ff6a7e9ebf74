#!/bin/bash
# cluster.sh PROGRAM TOOLS WORK: a film that several processes make, each a part, comes out as one alone makes it.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null || exit 77
cd "$work" || exit 1
unset SLURM_ARRAY_TASK_ID JOB_COMPLETION_INDEX OMPI_COMM_WORLD_RANK

run() { # ARGUMENTS...: whose end's code is $code
    MALLOC_PERTURB_=$((RANDOM % 255 + 1)) "$program" film.mkv --depth-size 64 --segment-frames 20 --progress none \
        --export-depth depth.nut --stats stats.json "$@" out.mkv --layout tab -c:v mpeg4 tab.mkv 2>err.txt
    code=$?
}
# fingerprint NAME: of every decoded frame, packet and timestamp, and of what is told of the shots.
fingerprint() {
    traces out.mkv tab.mkv depth.nut >"$1"
    sed -n '/"shots":.*\[/,$p' stats.json >>"$1"
}
same() { [ -s "$1" ] && cmp -s "$1" "$2"; }
has() { grep -q -e "$1" err.txt; }
clean() { rm -rf out.mkv* tab.mkv* depth.nut* stats.json; }
tidy() { [ "$(echo out.mkv* tab.mkv* depth.nut*)" = "out.mkv tab.mkv depth.nut" ]; }
starts() { grep -o '"frame":[^,]*' out.mkv.parts/plan.json | tr -dc '0-9\n' | xargs; }

# Cuts after 45, 30 and 60 frames; the last shot has several segments.
shots="testsrc2=s=96x54:r=25,trim=end_frame=45[a];mandelbrot=s=96x54:r=25,trim=end_frame=30[b]"
shots+=";testsrc=s=96x54:r=25,trim=end_frame=60[c];testsrc2=s=96x54:r=25,hue=h=120,trim=end_frame=105[d]"
shots+=";[a][b][c][d]concat=n=4,format=yuv420p,setpts=N/25/TB"
ffmpeg -v error -f lavfi -i "$shots" -f lavfi -i sine=d=9.6 -c:v libx264 -g 50 -bf 3 -preset veryfast -c:a aac film.mkv ||
    exit 1

run
fingerprint whole.txt
check "a whole film" [ $code = 0 ]

clean
run --segment 1/3
check "a part without a plan: 9" [ $code = 9 ]
run --plan 3
check "a plan" [ $code = 0 ]
check "has parts that begin at cuts" [ "$(starts)" = "0 75 135" ]
check "tells the longest" has "3 parts of at most 105; no shot is divided"
run --segment 2/4
check "another number of parts: 2" [ $code = 2 ]
run --segment 3/3
JOB_COMPLETION_INDEX=0 run --segment auto
run --join
check "a missing part: 9" [ $code = 9 ]
check "is named" has "frame 75 is missing: --segment 2/3 makes it"
run --segment 2/3 --max-disparity 1
check "other settings make a part of their own" [ $code = 0 ]
run --join
check "which does not fit: 3" [ $code = 3 ]
run --segment 2/3
check "nor is it replaced: 3" [ $code = 3 ]
run --plan 3 -y
check "a plan with -y clears what was there" [ "$(ls out.mkv.parts tab.mkv.parts depth.nut.parts 2>/dev/null | grep -c seg)" = 0 ]

for n in 2 1 3; do # several at once, one of them killed
    run --segment $n/3 2>/dev/null &
    pid[n]=$!
done
for _ in $(seq 600); do
    [ -e out.mkv.parts/000000075.seg ] && break
    sleep 0.05
done
pkill -KILL -P "${pid[2]}" 2>/dev/null
wait
run --segment 2/3
check "a part that was killed is gone on with" [ $code = 0 ]
printf '\377' | dd of=out.mkv.parts/000000075.seg bs=1 seek=2000 conv=notrunc 2>/dev/null
run --join
check "a damaged segment: 11" [ $code = 11 ]
run --segment 2/3
run --join
fingerprint parts.txt
check "joined: the same film" same parts.txt whole.txt
check "nothing is left" tidy

clean
run --plan 30
check "more parts than shots" has "27 of them are empty"
for n in $(seq 30); do
    [ "$(tr -d '\n\t ' <out.mkv.parts/plan.json | grep -o '"frames":[0-9]*}' | sed -n ${n}p)" = '"frames":0}' ] &&
        { [ $n -gt 28 ] || continue; } # of those with nothing to do, the last ones are enough
    SLURM_ARRAY_TASK_MIN=5 SLURM_ARRAY_TASK_ID=$((n + 4)) run --segment auto
    check "part $n" [ $code = 0 ]
done
run --join
fingerprint parts.txt
check "joined: the same film" same parts.txt whole.txt

clean
echo 'devices = cpu,cpu' >two.conf
"$program" film.mkv --depth-size 64 --segment-frames 20 --export-depth depth.nut --stats stats.json --devices cpu,cpu \
    out.mkv --layout tab -c:v mpeg4 tab.mkv 2>err.txt &
for _ in $(seq 600); do
    [ -e out.mkv.parts/000000000.seg ] && break
    sleep 0.05
done
kill -INT $!
wait $!
check "two devices, interrupted: 130" [ $? = 130 ]
check "all of it" [ ! -e out.mkv ]
run --config two.conf
fingerprint parts.txt
check "two devices: the same film" same parts.txt whole.txt
check "and nothing is left" tidy
run --devices cpu,sofa -y --layout sbs
check "an unknown device: 7" [ $code = 7 ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
