#!/bin/bash
# format.sh [--check]: formats all C and CUDA files with clang-format 14 (others lay code out differently), or
# says which would change.
set -eu
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$tool" ] || ! "$tool" --version | grep -q ' version 14\.'; then
    echo "format: clang-format 14 is not installed" >&2
    exit 77
fi
mapfile -t files < <(git ls-files '*.c' '*.h' '*.cc' '*.cu' '*.cuh')
if [ "${1:-}" = --check ]; then
    "$tool" -style=file --dry-run --Werror "${files[@]}"
else
    "$tool" -style=file -i "${files[@]}"
fi
