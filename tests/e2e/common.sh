# shellcheck shell=bash
# Sourced by the scripts here: SCRIPT PROGRAM BUILD_FOLDER. Leaves $program, $work (a folder that goes away at the end)
# and the test tools in PATH.
program=$(realpath "$1")
build=$(realpath "$2")
PATH=$build:$build/tests:$build/tests/scene:$build/tests/e2e:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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
