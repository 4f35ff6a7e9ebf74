#!/bin/bash
# starve.sh PROGRAM TOOLS WORK: a device that runs out of memory.
set -u
. "$(dirname "$0")/common.bash"
golden --models "$work/models" "$(dirname "$0")/../golden/data" && starve "$work"
