#!/bin/bash
# test.sh [CMAKE OPTION...]: installs what is missing, builds into build/ (or $BUILD), runs every test.
# $ONLY: further arguments of ctest. The last line is "N passed, N failed"; the exit code is 0 if none failed.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build}

"$here/scripts/deps.sh" curl python3 # of the tests
cmake -S "$here" -B "$build" "$@"
cmake --build "$build" -j "$(nproc)"

report=$build/tests.xml
rm -f "$report"
# shellcheck disable=SC2086
ctest --test-dir "$build" --output-on-failure --output-junit "$report" ${ONLY:-} || true

count() { sed -n "s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$report" | head -n 1; }
total=$(count tests)
failed=$(count failures)
skipped=$(($(count skipped) + $(count disabled)))
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$((total - failed - skipped)) passed, $failed failed"
[ "$failed" = 0 ] && [ "$total" -gt 0 ]
