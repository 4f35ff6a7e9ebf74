#!/bin/bash
# fetch.sh PROGRAM TOOLS WORK: scripts/fetch_models.sh against a server that behaves like the publishers', and what the
# program says where models are missing.
set -u
here=$(realpath "$(dirname "$0")")
. "$here/common.bash"
cd "$work" || exit 1
command -v curl python3 sha256sum sha1sum >/dev/null || exit 77

get() { "$here/../../scripts/fetch_models.sh" models >out.txt 2>err.txt; }
fails() { ! "$@"; }
says() { grep -q -e "$1" err.txt; }

mkdir -p hub/open/net hub/gated/base/vae
head -c 300000 /dev/urandom >hub/open/net/model.safetensors
head -c 1000 /dev/urandom >hub/gated/base/vae/model.safetensors
echo '{"in_channels": 8}' >hub/open/net/config.json
cat >manifest.txt <<'END'
# path | repository | file | parameters | sha256
Net/config.json|open/net|config.json|-|-
Net/model.safetensors|open/net|model.safetensors|1|-
base/vae/model.safetensors|gated/base|vae/model.safetensors|1|-
END
python3 "$here/hub.py" hub log.txt >port.txt &
hub=$!
trap 'kill $hub 2>/dev/null' EXIT
for _ in $(seq 100); do [ -s port.txt ] && break; sleep 0.1; done
export HF_ENDPOINT=http://127.0.0.1:$(cat port.txt) MANIFEST=$work/manifest.txt HF_HOME=$work/nowhere
unset HF_TOKEN

check "without a token" fails get
check "says how to get one" says "base/vae/model.safetensors: code 401: accept the licence at $HF_ENDPOINT/gated/base"
check "the others have come" cmp -s hub/open/net/model.safetensors models/Net/model.safetensors
check "nothing of the gated one" [ ! -e models/base/vae/model.safetensors ]

export HF_TOKEN=secret
check "with a token" get
check "the gated one has come" cmp -s hub/gated/base/vae/model.safetensors models/base/vae/model.safetensors
check "what was there is not fetched again" [ "$(grep -c "GET /contents/open/net/model" log.txt)" = 1 ]

rm models/Net/model.safetensors
echo 100000 >hub/open/net/model.safetensors.cut
check "a connection that breaks off" fails get
check "is named" says "Net/model.safetensors: broke off, run this again"
check "leaves nothing under the name" [ ! -e models/Net/model.safetensors ]
check "and goes on" get
check "where it broke off" grep -q "GET /contents/open/net/model.safetensors 206 200000 bytes=100000-" log.txt
check "to the same bytes" cmp -s hub/open/net/model.safetensors models/Net/model.safetensors

printf x | dd of=models/Net/model.safetensors bs=1 seek=5000 conv=notrunc status=none
check "a file that went bad" get
check "is fetched anew" cmp -s hub/open/net/model.safetensors models/Net/model.safetensors

sed -i "s/model.safetensors|1|-\$/model.safetensors|1|$(printf 0%.0s {1..64})/; /gated/d" manifest.txt
check "a checksum of the manifest" fails get
check "is held to" says "has another checksum than 0000"
sed -i 's/|config.json|/|nothing.json|/; /safetensors/d' manifest.txt
check "a file that is not there" fails get
check "is told" says "code 404: $HF_ENDPOINT/open/net has no such file"
kill $hub
wait $hub 2>/dev/null
check "no server" fails get
check "is told too" says "Net/config.json: curl:.*onnect"

# What the program says of folders.
scene_render film.mp4 128x72 1 || exit 1
run() { XDG_DATA_HOME=$work/data "$program" --progress none --device cpu -y film.mp4 out.mkv "$@" >out.txt 2>err.txt </dev/null; }
code() { local want=$1; shift; "$@"; [ $? = "$want" ]; }
check "no published networks" code 8 run --model stereocrafter
check "where they were looked for" says "no published networks in $work/data/stereocrafter/models:"
golden --models "$work/data/stereocrafter/models" "$here/../golden/data" >/dev/null || exit 1
check "found, not taken on a CPU" run
check "and said so" says "data/stereocrafter/models: not taken, a frame would need minutes on cpu"
toy=(--depth-window 2 --depth-overlap 1 --depth-steps 1 --inpaint-steps 1 --inpaint-window 4)
check "asked for" run --model stereocrafter "${toy[@]}"
check "taken" says "published networks from $work/data/stereocrafter/models"
check "built-in ones asked for" run --model builtin --models data/stereocrafter/models
check "not taken then" fails says "published networks"
rm -r data/stereocrafter/models/StereoCrafter
check "half of them" code 8 run --model stereocrafter
check "which half" says "models: no folder StereoCrafter/unet_diffusers (scripts/fetch_models.sh "

[ $failed = 0 ]
