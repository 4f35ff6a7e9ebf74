# shellcheck shell=bash
# Sourced by the scripts here, each of which is called as SCRIPT PROGRAM TOOLS WORK: the program under test,
# the folder of the test programs, and a folder to work in, which is emptied first.
program=$(realpath "$1")
PATH=$(realpath "$2"):$PATH
work=$(realpath -m "$3")
rm -rf "$work"
mkdir -p "$work"

# check WHAT COMMAND...: one check, counted; if it fails, what the last run said is shown.
passed=0 failed=0
check() {
    local what=$1 said
    shift
    if "$@"; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $what"
    for said in out.txt err.txt log.txt; do
        [ ! -s $said ] || tail -n 20 $said
    done
}

# convert ARGUMENTS...: runs the program; if it fails, what it said is shown.
convert() {
    if ! "$program" -y --progress none "$@" 2>"$work/log.txt" </dev/null; then
        echo "failed: stereocrafter $*"
        cat "$work/log.txt"
        return 1
    fi
}

# value NAME LINE: of "... NAME=VALUE ..." in what score prints.
value() {
    echo "$2" | sed -n "s/.*\b$1=\([-0-9.]*\).*/\1/p"
}

# at_least A B: as numbers.
at_least() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'
}

# above A B: strictly.
above() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 > b + 0) }'
}

# traces FILE...: of every decoded frame, of every packet, and all their timestamps.
traces() {
    local file
    for file in "$@"; do
        ffmpeg -v error -i "$file" -map 0 -f framemd5 - && ffmpeg -v error -i "$file" -map 0 -c copy -f framemd5 -
    done
}

# browse OPTION... FILE: the page $work/FILE in $browser, a Chromium; what its script complains of is in log.txt.
browse() {
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-extensions --user-data-dir="$work/profile" \
        --enable-logging=stderr --virtual-time-budget=2000 --window-size=1320,2000 "${@:1:$#-1}" \
        "file://$work/${*: -1}" 2>log.txt
}

# watched ARGUMENTS...: runs the program with --progress json, every $pause seconds (0.1) adding "FRAME KIB TICKS FILES"
# to samples.txt: frames written, resident memory, CPU time, which other programs change less than the time on the clock,
# and open files. The most memory is $most KiB; its exit code is the program's.
watched() {
    local run frame kib ticks files
    "$program" --progress json "$@" </dev/null >/dev/null 2>said.txt &
    run=$!
    : >samples.txt
    most=0
    while kill -0 $run 2>/dev/null; do
        frame=$(tail -n 1 said.txt | sed -n 's/^{"frame":\([0-9]*\),.*/\1/p')
        kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' /proc/$run/status 2>/dev/null)
        ticks=$(awk '{ print $14 + $15 }' /proc/$run/stat 2>/dev/null)
        files=$(find /proc/$run/fd -mindepth 1 2>/dev/null | wc -l)
        [ -n "$frame" ] && [ -n "$kib" ] && [ -n "$ticks" ] && echo "$frame $kib $ticks $files" >>samples.txt
        [ "${kib:-0}" -gt $most ] && most=$kib
        sleep "${pause:-0.1}"
    done
    wait $run
}
