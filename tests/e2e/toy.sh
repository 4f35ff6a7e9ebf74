#!/bin/bash
# toy.sh PROGRAM TOOLS WORK: films through toy-sized networks of the published layout.
set -u
. "$(dirname "$0")/common.bash"
golden --models "$work/models" "$(dirname "$0")/../golden/data" && toy "$program" "$work"
