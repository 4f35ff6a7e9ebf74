#!/bin/bash
# gpu_video.sh PROGRAM TOOLS WORK: films in and out of a GPU. What its engine decodes makes the very film that
# software's decoding makes; what it does not take is named and decoded in software; the bytes over the bus are those
# of the pictures and no more; an encoder that the card lacks is one line. Over a rendered film and the clips in
# $SC_TEST_DATA/video.
set -u
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

# counter NAME: from the last report of the last run.
counter() {
    grep '"progress":"end"' log.txt | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

# made HOW CLIP OPTIONS...: HOW.nut, and what was said in HOW.txt
made() {
    local how=$1 clip=$2
    shift 2
    convert --device cuda --hwaccel "$how" -c:v ffv1 --progress json "$@" "$clip" "$how.nut" || return 1
    cp log.txt "$how.txt"
}

# bytes WHAT UP DOWN: pictures' bytes of the last run.
bytes() {
    check "$1: $(counter pixels_up) bytes up, not $2" [ "$(counter pixels_up)" = "$2" ]
    check "$1: $(counter pixels_down) bytes down, not $3" [ "$(counter pixels_down)" = "$3" ]
}

# film CLIP PLANES: both ways to decode make the same film. PLANES: bytes of one decoded picture, 0: not counted.
film() {
    local clip=$1 planes=$2 frames name
    name=$(basename "$1")
    made none "$clip" --frames 40 || { failed=$((failed + 1)); return; }
    frames=$(counter frame)
    [ "$planes" = 0 ] || bytes "$name, software" $((frames * planes)) $((frames * planes))
    made auto "$clip" --frames 40 || { failed=$((failed + 1)); return; }
    check "$name: the engine's film is another" cmp -s none.nut auto.nut
    if grep -q 'decoded by cuda' auto.txt; then
        [ "$planes" = 0 ] || bytes "$name, engine" 0 $((frames * 2 * planes))
        check "$name: bytes of pictures up" [ "$(counter pixels_up)" = 0 ]
        echo "ok     $name: engine"
    else
        check "$name: says why software decodes" [ "$(grep -c 'decoded in software' auto.txt)" = 1 ]
        grep 'decoded in software' auto.txt
    fi
}

scene_render probe.mp4 128x72 1 >/dev/null || exit 1
if ! "$program" --device cuda -f null --frames 1 probe.mp4 >log.txt 2>&1; then
    grep -q 'there are 0\|for the CPU only' log.txt && echo "skipped: no GPU" && exit 77
    cat log.txt
    exit 1
fi
scene_render scene.mp4 1920x1080 24 2 1 >/dev/null || exit 1
film scene.mp4 $((1920 * 1080 * 3 / 2))
check "H.264 is decoded by the engine" grep -q 'decoded by cuda' auto.txt
made auto scene.mp4 --export-depth depth.nut --layout tab
cp depth.nut depth_auto.nut
made none scene.mp4 --export-depth depth.nut --layout tab
check "exported depth" cmp -s depth.nut depth_auto.nut
check "a film from a time on" made auto scene.mp4 -ss 0.4
cp auto.nut cut.nut
made none scene.mp4 -ss 0.4
check "the same film from a time on" cmp -s none.nut cut.nut
if [ -n "${SC_TEST_DATA:-}" ]; then
    for clip in "$SC_TEST_DATA"/video/*.{mp4,mkv,webm,3gp}; do
        [ -e "$clip" ] && film "$clip" 0
    done
fi

convert --device cuda scene.mp4 limit.mp4 --progress json -preset veryslow
check "the log says that the encoder is the limit" grep -q 'the encoder libx264 is the limit' log.txt
grep 'a second;' log.txt
"$program" -y --device cuda -c:v h264_nvenc scene.mp4 nvenc.mp4 >log.txt 2>&1
code=$?
if [ $code != 0 ]; then
    check "no NVENC: code $code" [ $code = 7 ]
    check "no NVENC: one line" [ "$(grep -c '^\[error\]' log.txt)" = 1 ]
    grep '^\[error\]' log.txt
fi
check "info names decoders" grep -q 'video, as FFmpeg has it and not tried: decodes h264' <("$program" --info)

echo "$passed passed, $failed failed"
[ $failed = 0 ]
