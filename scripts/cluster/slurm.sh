#!/bin/bash
# slurm.sh N INPUT OUTPUT [OPTIONS...]: makes a film by Slurm, in N parts; prints the number of the job that joins them.
set -eu
job=$(dirname "$0")/slurm.sbatch
parts=$1
shift
submit() { sbatch --parsable --kill-on-invalid-dep=yes "$@"; }

plan=$(submit "$job" "$@" --plan "$parts")
array=$(submit --dependency="afterok:$plan" --array="1-$parts" "$job" "$@" --segment auto)
submit --dependency="afterok:$array" "$job" "$@" --join
