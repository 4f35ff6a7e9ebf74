#!/bin/bash
# reconstruct.sh PROGRAM TOOLS WORK: films through toy VAEs and back. What comes out of random weights means
# nothing; that it comes on its timestamp with its sound, the same however it is cut, and truly compared, does.
set -u
here=$(realpath "$(dirname "$0")")
. "$here/common.bash"
command -v ffmpeg >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

golden --models models "$here/../golden/data" >/dev/null && scene_render scene.mp4 152x88 12 || exit 1
# RGB, so that what FFmpeg compares is what the program does; one frame is missing in the middle.
ffmpeg -v error -i scene.mp4 -map 0 -vf "select='not(eq(n,4))',format=gbrp" -fps_mode passthrough -c:v ffv1 -c:a copy film.mkv || exit 1
causal=models/SeedVR2/ema_vae_fp16.safetensors
still=models/stable-video-diffusion-img2vid-xt-1-1/vae

# pass OUTPUT ARGUMENTS...: the film through a VAE.
pass() {
    local out=$1
    shift
    convert --reconstruct film.mkv "$out" -c:v ffv1 "$@"
}
pixels() { ffmpeg -v error -i "$1" -map 0:v -fps_mode passthrough -f framemd5 -; }
same() { cmp <(pixels "$1") <(pixels "$2") >/dev/null; }
differ() { ! same "$1" "$2"; }
said() { grep -q -e "$1" log.txt; }
times() { ffprobe -v error -select_streams "$2" -show_entries packet=pts_time -of csv=p=0 "$1" | sort -g; }
sound() { ffmpeg -v error -i "$1" -map 0:a -c copy -f streamhash -; }
# psnr FILE FILE: the mean.
psnr() { ffmpeg -v info -i "$1" -i "$2" -lavfi '[0:v][1:v]psnr' -f null - 2>&1 | sed -n 's/.*PSNR.*average:\([0-9.inf]*\).*/\1/p'; }

pass whole.mkv --vae $causal --stats stats.json --log-level debug || exit 1
check "every frame on its time" [ "$(times film.mkv v)" = "$(times whole.mkv v)" ]
check "eleven of them" [ "$(times whole.mkv v | wc -l)" = 11 ]
check "the sound" [ "$(sound film.mkv)" = "$(sound whole.mkv)" ]
check "what the network is" said 'causal 3-D video VAE, 3728875 parameters, weights in fp32, 4 channels for 8x8 pixels of 4 frames; whole'
check "a line for each frame" [ "$(grep -c 'score: frame' log.txt)" = 11 ]
check "a mean" said 'vae: PSNR [0-9.]* dB and SSIM [0-9.]* over 11 frames'

# Against FFmpeg's filters, which see what was rounded to 8 bits: a noise of 1/12 beside differences of hundreds.
# Of its SSIM the plain code: the one for vectors gives other numbers at this width.
compared() {
    ffmpeg -v error -i film.mkv -i whole.mkv -lavfi '[0:v][1:v]psnr=stats_file=psnr.txt' -f null - &&
        ffmpeg -v error -cpuflags 0 -i film.mkv -i whole.mkv -lavfi '[0:v]format=gbrp[a];[1:v]format=gbrp[b];[a][b]ssim=stats_file=ssim.txt' -f null - &&
        python3 - <<'EOF'
import json, re
rows = json.load(open("stats.json"))["reconstruction"]["frames"]
psnr = [float(re.search(r"psnr_avg:(\S+)", line)[1]) for line in open("psnr.txt")]
ssim = [float(re.search(r"All:(\S+)", line)[1]) for line in open("ssim.txt")]
assert len(rows) == len(psnr) == 11
assert all(abs(r["psnr"] - p) < 0.05 and abs(r["ssim"] - s) < 0.002 for r, p, s in zip(rows, psnr, ssim))
EOF
}
check "as FFmpeg compares" compared

for slice in 4 12; do
    pass slice.mkv --vae $causal --vae-slice $slice && check "slices of $slice" same whole.mkv slice.mkv
done
pass folder.mkv --vae models/SeedVR2 && check "the folder it is published in" same whole.mkv folder.mkv
pass large.mkv --vae $causal --vae-tile 192 && check "a tile that holds the picture" same whole.mkv large.mkv
pass tiles.mkv --vae $causal --vae-tile 64 && pass again.mkv --vae $causal --vae-tile 64 --vae-slice 4 || exit 1
check "tiles" said '6 tiles of 56x48'
check "tiles in slices" same tiles.mkv again.mkv
check "tiles see less than the picture" differ whole.mkv tiles.mkv

pass still.mkv --vae $still || exit 1
check "the other network" said 'temporal VAE of Stable Video Diffusion, 1627551 parameters'
pass still1.mkv --vae $still --vae-slice 1 && pass still8.mkv --vae $still/diffusion_pytorch_model.fp16.safetensors || exit 1
check "knows the frames of a slice" differ still.mkv still1.mkv
check "a file is as good as its folder" same still.mkv still8.mkv

# Networks that answer everything by one colour, inside a code of 8 bits: what tiles share must add up to it.
python3 - $causal flat.safetensors <<'EOF' || exit 1
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
begin, end = json.loads(data[8:8 + size])["decoder.conv_out.bias"]["data_offsets"]
body = bytearray(len(data) - 8 - size)
body[begin:end] = struct.pack("<3f", *(2 * code / 255 - 1 for code in (40, 100, 200)))
open(sys.argv[2], "wb").write(data[:8 + size] + body)
EOF
pass flat.mkv --vae flat.safetensors && pass flat_tiles.mkv --vae flat.safetensors --vae-tile 64 || exit 1
check "shares add up" same flat.mkv flat_tiles.mkv
check "to the colour" [ "$(ffmpeg -v error -i flat_tiles.mkv -frames:v 1 -f rawvideo -pix_fmt rgb24 - | od -v -An -tu1 -w3 | sort -u | tr -s ' ')" = ' 40 100 200' ]

convert --dry-run --reconstruct film.mkv dry.mkv --vae $causal && check "a recommendation" said 'vae: [0-9.]* GiB beside the weights with --vae-tile 0 --vae-slice 8'
check "and no film" [ ! -e dry.mkv ]
convert --reconstruct film.mkv --vae $causal && check "a name of its own" [ -s film_reconstructed.mkv ]
convert --reconstruct film.mkv -f null --vae $causal && check "without a file" said 'vae: PSNR'

# refuses CODE LINE ARGUMENTS...: one line that says so, and no film.
refuses() {
    local code=$1 line=$2
    shift 2
    "$program" --progress none --reconstruct film.mkv no.mkv "$@" 2>log.txt </dev/null
    [ $? = "$code" ] && [ "$(grep -c '^\[error\]' log.txt)" = 1 ] && said "$line" && [ ! -e no.mkv ]
}
check "a missing file" refuses 8 'nowhere/vae.gguf: No such file' --vae nowhere/vae.gguf
check "an empty folder" refuses 8 'holds none of diffusion_pytorch_model' --vae .
check "another network" refuses 8 'encoder.conv_in.weight is missing' --vae models/stable-video-diffusion-img2vid-xt-1-1/image_encoder/model.fp16.safetensors
check "none that is built in" refuses 8 'no VAE is built into this program' --vae builtin
check "no network" refuses 2 'by which network'
check "depth" refuses 2 'makes no depth: --export-depth' --vae $causal --export-depth d.nut
check "a slice between latents" refuses 2 '6 is not a multiple of 4' --vae $causal --vae-slice 6

if python3 -c 'import numpy' 2>/dev/null; then
    python3 - $causal half.safetensors <<'EOF' || exit 1
import json, struct, sys
import numpy as np
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
half = np.frombuffer(data[8 + size:], np.float32).astype(np.float16).tobytes()
for t in header.values():
    t["dtype"], t["data_offsets"] = "F16", [o // 2 for o in t["data_offsets"]]
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + half)
EOF
    for type in F16 Q8_0; do
        "$here/../../scripts/to_gguf.py" half.safetensors $type.gguf $type && pass $type.mkv --vae $type.gguf || exit 1
    done
    pass half.mkv --vae half.safetensors || exit 1
    check "F16 as GGUF" same half.mkv F16.mkv
    check "Q8_0 is other weights" differ half.mkv Q8_0.mkv
    echo "Q8_0 against F16: $(psnr half.mkv Q8_0.mkv) dB, whole against tiles: $(psnr whole.mkv tiles.mkv) dB"
    check "but nearly the same film" at_least "$(psnr half.mkv Q8_0.mkv)" 30
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
