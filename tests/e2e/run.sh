#!/bin/bash
# run.sh PROGRAM BUILD_FOLDER: every end-to-end test, one after the other; a line for each at the end.
set -u
here=$(dirname "$0")
build=$2
failed=0 lines=

for test in properties scene.sh errors.sh streams.sh stereo.sh; do
    echo "== $test"
    case $test in
    *.sh) "$here/$test" "$1" "$build" ;;
    *)
        scratch=$(mktemp -d)
        "$build/tests/e2e/$test" "$1" "$scratch"
        ;;
    esac
    code=$?
    [ "$test" = properties ] && rm -rf "$scratch"
    case $code in
    0) lines+="passed   $test"$'\n' ;;
    77) lines+="skipped  $test"$'\n' ;;
    *)
        lines+="FAILED   $test"$'\n'
        failed=1
        ;;
    esac
done
printf '%s' "$lines"
exit $failed
