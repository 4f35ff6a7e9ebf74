#!/bin/bash
# pipe.sh PROGRAM TOOLS WORK: films from standard input and to standard output, with ffmpeg at both ends.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || exit 77
cd "$work" || exit 1

run() { "$program" --progress none --depth-size 64 "$@" 2>err.txt; }
# pictures FILE: a line for each decoded frame.
pictures() { ffmpeg -v error -i "$1" -map 0:v -f framemd5 - | grep -v '^#' | sed 's/.*,//'; }
same_pictures() { [ -n "$(pictures "$1")" ] && [ "$(pictures "$1")" = "$(pictures "$2")" ]; }
# streams FILE: their codecs, in one line.
streams() { ffprobe -v error -show_entries stream=codec_name -of default=nw=1:nk=1 "$1" | tr '\n' ' '; }
rate() { ffprobe -v error -select_streams v -show_entries stream=avg_frame_rate -of default=nw=1:nk=1 "$1"; }
ok() { [ "$*" = "$(printf '%s\n' "$@" | sed 's/.*/0/' | paste -sd' ')" ]; } # every exit code is 0

scene_render scene.mp4 192x108 10 &&
    ffmpeg -v error -i scene.mp4 -f lavfi -i sine=duration=0.4 -c:v ffv1 -c:a mp2 film.mkv || exit 1
run film.mkv whole.mkv -c:v ffv1

for f in nut matroska; do
    ffmpeg -v error -i film.mkv -c copy -f $f - | run - - -f $f -c:v ffv1 | ffmpeg -v error -i - -c copy $f.mkv
    check "$f: all end well" ok "${PIPESTATUS[@]}"
    check "$f: the same pictures" same_pictures $f.mkv whole.mkv
    check "$f: the sound comes along" [ "$(streams $f.mkv)" = "ffv1 mp2 " ]
done
ffmpeg -v error -i film.mkv -c:v mpeg2video -q:v 2 -c:a copy -f mpegts - | run - - -f mpegts >out.ts
check "mpegts: all end well" ok "${PIPESTATUS[@]}"
check "mpegts: the sound comes along" [ "$(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 out.ts |
    sort -u | grep -cE 'h264|mp2')" = 2 ]
check "mpegts: every frame" [ "$(pictures out.ts | wc -l)" = 10 ]
ffmpeg -v error -i film.mkv -f yuv4mpegpipe - | run - - -f yuv4mpegpipe | ffmpeg -v error -i - -c:v ffv1 y4m.mkv
check "yuv4mpegpipe: all end well" ok "${PIPESTATUS[@]}"
check "yuv4mpegpipe: the same pictures" same_pictures y4m.mkv whole.mkv
check "yuv4mpegpipe: the same rate" [ "$(rate y4m.mkv)" = "$(rate whole.mkv)" ]
ffmpeg -v error -i film.mkv -vf format=yuv422p10 -strict -1 -f yuv4mpegpipe - | run - - -f yuv4mpegpipe >deep.y4m
check "yuv4mpegpipe: ten bits" grep -aq '^YUV4MPEG2 W384 H108 .*C422p10' deep.y4m
run film.mkv whole.y4m -c:v ffv1 -f yuv4mpegpipe
check "yuv4mpegpipe: holds no FFV1" grep -q 'yuv4mpegpipe cannot hold ffv1' err.txt

run film.mkv later.mkv -ss 0.2 -c:v ffv1
run - piped.mkv -ss 0.2 -c:v ffv1 < <(cat film.mkv)
check "a pipe is read up to -ss" same_pictures later.mkv piped.mkv
run film.mkv other.mkv -f nut -c:v ffv1
check "-f goes before the name" [ "$(head -c 10 other.mkv)" = "nut/multim" ]
run film.mkv - -f null --export-depth depth.nut -y >null.txt
check "nothing else is on standard output" [ ! -s null.txt ]
run film.mkv - -f null --export-depth - >piped.nut
check "depth goes there as NUT" same_pictures depth.nut piped.nut

run film.mkv - -f nut -c:v ffv1 | head -c 100 >/dev/null
check "a reader that leaves: 141" [ "${PIPESTATUS[0]}" = 141 ]
check "is no error" [ "$(grep -c error err.txt)" = 0 ]
run film.mkv - >none
check "standard output needs -f" [ $? = 2 ]
run film.mkv scene.mp4 -o - -f nut >none
check "standard output takes one film" [ $? = 2 ]
check "and leaves nothing behind" [ ! -e - -a ! -e -.part ]

[ $failed = 0 ]
