#!/bin/bash
# bench.sh PROGRAM TOOLS WORK: --info, --bench and -f null say what they promise, on the CPU.
set -u
here=$(realpath "$(dirname "$0")")
. "$here/common.bash"
cd "$work" || exit 1

# has N PATTERN FILE: N lines match.
has() {
    [ "$(grep -cE "$2" "$3")" = "$1" ]
}

scene_render film.mp4 160x96 4 1 1 >/dev/null || exit 1
"$program" --info >info.txt || exit 1
check "info names the CPU and its types" has 1 '^    computes with fp32; by default .*quick=fp32$' info.txt
check "info says that fp8 is not native" has 1 '^    fp8 is not native: fp32 is used instead$' info.txt
check "info names versions" has 1 '^libavformat [0-9].* oneDNN [0-9]' info.txt

"$program" --device cpu -f null --progress json film.mp4 2>null.txt || exit 1
check "every frame is made" has 1 '"frame":4,.*"progress":"end"' null.txt
check "nothing is written" [ "$(echo ./*)" = "./film.mp4 ./info.txt ./null.txt" ]

"$program" --bench --device cpu --report bench.json film.mp4 >bench.txt || { cat bench.txt; exit 1; }
check "a row for each network" has 5 ' fp32 .* 0\.0e\+00 +1\.0000000 *$' bench.txt
check "a row for each op" has 25 '^[a-z0-9_]+ +[0-9x]+ +fp32( +[0-9]+\.[0-9]+){3,4}$' bench.txt
check "a row for the chain" has 1 '^chain, fp32: .* over 4 frames: decode .* depth .* encode ' bench.txt
check "the report has a schema" has 1 '^.?"schema":.?2,$' bench.json
check "the report has every network" has 5 '"net":' bench.json
check "the report has every op" has 25 '"op":' bench.json
check "the report has every time" has 30 '"median_ms":.?[0-9]' bench.json
check "the report has the chain" has 1 '"frames":.?4,' bench.json

golden --models models "$here/../golden/data" >/dev/null || exit 1
"$program" --bench --device cpu --vae models/SeedVR2/ema_vae_fp16.safetensors --vae-tile 64 --report vae.json >vae.txt || exit 1
check "a row for a VAE" has 1 '^fp32 +96x64 +64 +4( +[0-9]+\.[0-9]+){3} +[0-9]+ +[1-9][0-9]* +inf$' vae.txt
check "and no other" has 1 '^fp32' vae.txt
check "the report has both ways" has 2 '"frame_ms":.?[0-9]' vae.json
"$program" --bench --device cpu --models models --fidelity fast --depth-steps 1 --inpaint-steps 1 --dump record \
    --report precision.json film.mp4 >precision.txt || exit 1
check "a precision report" has 1 '^precision, fp32 against fp32: correlation of depth 1\.000000, frames inf dB$' precision.txt
check "the report has the precision" has 1 '"depth_correlation":.?(0\.9999|1)' precision.json
"$program" --bench --device cpu --vae nowhere 2>none.txt >/dev/null
check "a VAE that is not there" [ $? = 8 ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
