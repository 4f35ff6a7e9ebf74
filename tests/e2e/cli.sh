#!/bin/bash
# cli.sh PROGRAM TOOLS WORK: what is printed where: help, versions, configuration, plan, progress; and signals.
set -u
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

run() { # ARGUMENTS...: stdout to out.txt, stderr to err.txt
    "$program" "$@" >out.txt 2>err.txt </dev/null
}

has() { grep -q -e "$1" "$2"; }
lacks() { ! grep -q -e "$1" "$2"; }
empty() { [ ! -s "$1" ]; }

scene_render film.mp4 128x72 25 || exit 1
fast=(--depth-size 64)

check "help" run --help
check "help goes to stdout" empty err.txt
check "help names the exit codes" has "12 depth file does not fit" out.txt
check "help is short" lacks "--inpaint-guidance" out.txt
check "full help" run --help full
check "full help is full" has "--inpaint-guidance" out.txt
check "version" run --version
check "version names the build" has "^stereocrafter [0-9.]*, devices: cpu" out.txt
check "version names the libraries" has "libavformat [0-9.]*, .*oneDNN [0-9.]*" out.txt
check "configuration" run --print-config film.mp4 --layout htab
check "configuration names the output" has "^output = film_TB.mp4$" out.txt
check "a full stdout is an error" [ "$("$program" --help >/dev/full 2>/dev/null; echo $?)" = 1 ]

check "dry run" run --dry-run film.mp4 out.mkv
check "a dry run tells the sizes" has "256x72" err.txt
check "a dry run writes nothing" [ ! -e out.mkv ]

check "JSON progress" run film.mp4 json.mkv "${fast[@]}" --progress json --log-level error
objects=$(grep -c '^{"frame":[0-9]*,"frames":25,"seconds":[0-9.]*,.*"progress":"[a-z]*"}$' err.txt)
check "every line is an object" [ "$objects" = "$(wc -l <err.txt)" ]
tail -n 1 err.txt >last.txt
check "the last one tells the end" has '^{"frame":25,.*"progress":"end"}$' last.txt
check "nothing on stdout" empty out.txt
check "FFmpeg's progress" run film.mp4 ffmpeg.mkv "${fast[@]}" --progress ffmpeg --log-level error
check "is key=value" [ "$(grep -vc '^[a-z_]*=[^ ]*$' err.txt)" = 0 ]
block="frame fps total_size out_time_us out_time_ms out_time speed progress"
check "in its order" [ "$(tail -n 8 err.txt | sed 's/=.*//' | paste -sd' ')" = "$block" ]
check "continues" [ "$(grep -c '^progress=end$' err.txt)" = 1 ]
tail -n 8 err.txt >last.txt
check "and ends" has '^progress=end$' last.txt
check "after every frame" has '^frame=25$' last.txt
check "at the last one's time" has '^out_time=00:00:00.960000$' last.txt
check "with the file's size" has "^total_size=$(stat -c %s ffmpeg.mkv)\$" last.txt
check "quiet" run film.mp4 quiet.mkv "${fast[@]}" --progress none --log-level error
check "quiet means silent" empty err.txt
check "progress in a file" run film.mp4 line.mkv "${fast[@]}" --log-level error
check "the end is reported" has "^frame 25/25 100.0% " err.txt
check "and no control characters" lacks $'[\r\033]' err.txt
check "the name of the output" run film.mp4 "${fast[@]}" --progress none
check "is one that players know" [ -s film_LRF_Full_SBS.mp4 ]

if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then # there are pseudo-terminals
    check "progress on a terminal" script -qec "$(printf '%q ' "$program" film.mp4 tty.mkv "${fast[@]}")" /dev/null \
        >out.txt 2>err.txt </dev/null
    check "is one line, redrawn" has $'\r\033\[K' out.txt
    check "with a log line on a line of its own" has '^.\[K\[info\]\|^\[info\]' out.txt
fi

# A reader of stderr that goes away does not take the conversion along.
("$program" film.mp4 pipe.mkv "${fast[@]}" --progress json 2>&1 >/dev/null </dev/null; echo $? >code.txt) | head -n 1 >/dev/null
check "closed stderr" [ "$(cat code.txt)" = 0 ]
check "closed stderr, film" [ -s pipe.mkv ]

# Two signals in a row: the program ends at once, whatever it is doing. (SIGINT would be ignored in the background.)
scene_render long.mp4 256x144 150 || exit 1
"$program" long.mp4 twice.mkv --depth-size 512 --progress none 2>err.txt </dev/null &
pid=$!
sleep 1
begin=$SECONDS
kill -TERM $pid && sleep 1 && kill -TERM $pid 2>/dev/null # two at a time would count as one
wait $pid
check "two signals" [ $? = 143 ]
check "at once" [ $((SECONDS - begin)) -le 5 ]
check "no film under the final name" [ ! -e twice.mkv ]

[ $failed = 0 ]
