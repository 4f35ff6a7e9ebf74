#!/bin/bash
# layouts.sh PROGRAM TOOLS WORK: the published networks as people download them, every tensor by its published name and
# shape at full size, are taken; a file that is damaged in any way is told in one line. On the device without memory:
# numbers are not read, and the files hold none.
set -u
. "$(dirname "$0")/common.bash"
names=$(realpath "$(dirname "$0")/../golden/data/published")
tool=$(realpath "$(dirname "$0")/layouts.py")
svd=stable-video-diffusion-img2vid-xt-1-1 net=diffusion_pytorch_model.safetensors
command -v python3 >/dev/null || { echo "skipped: python3 makes the files"; exit 77; }
cd "$work" && scene_render film.mp4 64x48 1 || exit 1

write() { python3 "$tool" "$names/$1.tsv" "${@:2}"; } # NAMES FILE [WORD...]
take() {                                              # FOLDER
    "$program" --device null --dry-run --model stereocrafter --models "$1" film.mp4 out.mkv --progress none \
        </dev/null >out.txt 2>err.txt
    code=$?
}
taken() {
    [ $code = 0 ] && grep -q 'DepthCrafter in .*, 1524623082 parameters' err.txt &&
        grep -q 'StereoCrafter in .*, 1524625962 parameters' err.txt && ! grep -q '^\[\(warning\|error\)\]' err.txt
}
told() { # WORDS: in the only error line
    [ $code = 8 ] && [ "$(grep -c '^\[error\]' err.txt)" = 1 ] && grep '^\[error\]' err.txt | grep -qF -e "$1"
}

# As README.md of StereoCrafter has them cloned, with what else lies there.
published() { # FOLDER
    write unet "$1/DepthCrafter/$net" && write unet "$1/StereoCrafter/unet_diffusers/$net" in=9 &&
        write vae "$1/$svd/vae/${net/./.fp16.}" && write clip "$1/$svd/image_encoder/model.fp16.safetensors" &&
        write unet "$1/$svd/unet/${net/./.fp16.}" && echo '{}' >"$1/$svd/model_index.json"
}
published cloned || exit 1
take cloned
check "the repositories as they are cloned" taken
# One downloader puts StereoCrafter's two files at the root; without variants SVD's are fp32.
write unet flat/DepthCrafter/$net
write unet flat/StereoCrafter/$net in=9
write vae flat/$svd/vae/$net type=F32
write clip flat/$svd/image_encoder/model.safetensors type=F32
take flat
check "StereoCrafter at the root, SVD in fp32" taken
cp -r --sparse=always cloned shards
rm shards/*/$net
for i in 0 1 2; do
    write unet "shards/DepthCrafter/diffusion_pytorch_model-0000$((i + 1))-of-00003.safetensors" part=$i/3
done
write unet shards/DepthCrafter/$net.index.json part=3/3
take shards
check "in shards" taken

# NAMES FILE TENSOR [WORD...]
damage() {
    local of=$1 file=cloned/$2 tensor=$3 word
    shift 3
    for word in "cut=1|it may be cut short" "without=$tensor|$tensor is missing" "rename=$tensor|$tensor is missing" \
        "turn=$tensor|$tensor is [" "extra=one.too.many|one.too.many is not known"; do
        write "$of" "$file" "$@" "${word%%|*}"
        take cloned
        check "$file ${word%%|*}" told "${word#*|}"
        check "$file ${word%%|*}: which file" told "$file"
    done
    write "$of" "$file" "$@"
}
damage unet DepthCrafter/$net mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight
damage unet StereoCrafter/unet_diffusers/$net up_blocks.2.attentions.1.transformer_blocks.0.ff.net.2.weight in=9
damage vae $svd/vae/${net/./.fp16.} encoder.down_blocks.1.resnets.0.conv1.weight
damage clip $svd/image_encoder/model.fp16.safetensors vision_model.encoder.layers.1.mlp.fc1.weight
take cloned
check "and whole again" taken
rm -r cloned/DepthCrafter
take cloned
check "a network that is not there" told "no folder DepthCrafter (scripts/fetch_models.sh"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
