#!/bin/bash
# images.sh PROGRAM TOOLS WORK: images in and out, one by one and by the folder.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || exit 77
cd "$work" || exit 1

scene_render film.mp4 160x90 3 && mkdir -p in/sub both || exit 1
ffmpeg -v error -i film.mp4 -pix_fmt rgb24 in/%d.png -frames:v 1 -update 1 -pix_fmt yuvj420p -q:v 2 in/sub/photo.jpg || exit 1
cp film.mp4 in/1.png both/
run() { "$program" -y --progress none --depth-size 64 "$@" 2>log.txt </dev/null; }
shape() { ffprobe -v error -show_entries stream=codec_name,width,height,pix_fmt -of csv=p=0 "$1"; }
pixels() { ffmpeg -v error -i "$1" -vf "$2" -f framemd5 - | grep -v '^#'; }
same() { [ -n "$(pixels "$1" "$2")" ] && [ "$(pixels "$1" "$2")" = "$(pixels "$3" "$4")" ]; }

run in/1.png one.png
check "an image of an image" [ "$(shape one.png)" = png,320,90,rgb24 ]
check "its left eye untouched" same one.png crop=iw/2:ih:0:0 in/1.png null
check "its right eye is made" eval '! same one.png crop=iw/2:ih:iw/2:0 in/1.png null'
run in/1.png film_of_it.mkv -c:v ffv1 -pix_fmt bgr0
check "as a film of it has it" same one.png format=gbrp film_of_it.mkv format=gbrp
run in/sub/photo.jpg photo.jpg --layout dubois
check "a JPEG" [ "$(shape photo.jpg | cut -d, -f1-3)" = mjpeg,160,90 ]
run in/1.png deep.tiff -pix_fmt rgb48le
check "sixteen bits" [ "$(shape deep.tiff)" = tiff,320,90,rgb48le ]
run in/1.png --layout left l.png --layout right r.png
check "an image for each eye" same l.png null in/1.png null
run in/2.png
check "a name that is made up" [ -s in/2_LRF_Full_SBS.png ]
rm -f in/2_LRF_Full_SBS.png

run in out --recursive
check "a folder of images" [ "$(find out -type f | sort | xargs)" = "out/1_LRF_Full_SBS.png out/2_LRF_Full_SBS.png out/3_LRF_Full_SBS.png out/sub/photo_LRF_Full_SBS.jpg" ]
run in out --recursive
check "is gone on with" grep -q 'converted, .* there already' log.txt
run both covers
check "beside films they are covers" [ "$(ls covers)" = film_LRF_Full_SBS.mp4 ]
run in/%d.png frames.mkv -c:v ffv1
check "a sequence is a film" [ "$(pixels frames.mkv null | wc -l)" = 3 ]

run film.mp4 still.png
check "a film is no image: code" [ $? = 11 ]
check "a film is no image: line" grep -q 'an image holds one frame' log.txt
check "nothing is left" [ -z "$(compgen -G "still*")" ]
run film.mp4 still.png --frames 1
check "its sound is told to be left out" grep -q "audio.* is left out" log.txt
check "its first frame is" [ "$(shape still.png)" = png,320,90,rgb24 ]
run in/1.png many%d.png
check "no sequence is written: code" [ $? = 11 ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
