#!/bin/bash
# tags.sh PROGRAM TOOLS WORK: what files tell players of the layout, read back by ffprobe and box by box.
set -u
. "$(dirname "$0")/common.bash"
if ! command -v ffprobe >/dev/null; then
    echo "skipped: there is no ffprobe"
    exit 77
fi
cd "$work" || exit 1
passed=0 failed=0

check() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
        diff <(echo "$2") <(echo "$3") | sed 's/^/    /'
    fi
}

stream() { # FILE ENTRIES: of the film, separated by commas
    ffprobe -v error -select_streams v:0 -show_entries "$2" -of compact=p=0:nk=1 "$1" | tr '\n' '|' | sed 's/|*$//; s/|/,/g'
}

packing() { # FILE: the arrangement that the first message in its H.264 tells of, as the standard numbers it; - without
    ffmpeg -nostdin -v error -i "$1" -map 0:v -c copy -frames:v 1 -f h264 - | python3 -c "
import re, sys
for unit in re.split(b'\0\0\1', sys.stdin.buffer.read())[1:]:
    body = unit[1:].replace(b'\0\0\3', b'\0\0')
    while unit[0] & 31 == 6 and len(body) > 2: # supplemental information: type, size, what it is
        if body[0] == 45:
            bits = ''.join(f'{b:08b}' for b in body[2:6])
            zeros = bits.index('1') # of a number that says its own length
            sys.exit(print(int(bits[2 * zeros + 2:2 * zeros + 9], 2)))
        body = body[2 + body[1]:]
print('-')"
}

message() { # FILE: the stereo message in its first picture
    ffprobe -v error -select_streams v:0 -read_intervals '%+#1' -show_entries frame_side_data=side_data_type \
        -of csv=p=0 "$1" | grep -c 'Stereo 3D'
}

entry() { # FILE: the boxes of the sample entry that are about stereo
    boxes "$1" | sed -n 's,^moov/trak/mdia/minf/stbl/stsd/avc1/\(st3d\|sv3d\|vexu\|hfov\),\1,p'
}

scene_render film.mp4 128x72 3 && scene_render depth 128x72 3 >/dev/null || exit 1
make() { # OUTPUT OPTIONS...
    local out=$1
    shift
    convert film.mp4 "$out" --depth depth/depth.mkv "$@" || exit 1
}

vexu() { # STRI PACKING
    printf '%s\n' "vexu 66 " "vexu/eyes 34 " "vexu/eyes/stri 13 00000000$1" "vexu/eyes/hero 13 0000000001" \
        "vexu/pack 24 " "vexu/pack/pkin 16 00000000$2"
}
side=73696465 over=6f766572

# layout, Matroska's tag and FFmpeg's name for it, st3d's value, Apple's eyes and packing, H.264's arrangement
while read -r layout mode type inverted st3d stri packing sei; do
    make $layout.mkv --layout $layout
    make $layout.mp4 --layout $layout
    make $layout.mov --layout $layout
    make $layout.ts --layout $layout
    make off.mkv --layout $layout --stereo-tags off
    make off.mp4 --layout $layout --stereo-tags off
    tagged=${mode#-}${mode:+,}${type//_/ }${type:+,}$inverted
    [ $mode = - ] && tagged=
    check "$layout, Matroska" "$tagged" \
        "$(stream $layout.mkv stream_tags=stereo_mode:stream_side_data=type,inverted)"
    expected=
    [ $st3d = - ] || expected=$(echo "st3d 13 000000000$st3d" && vexu $stri ${!packing})
    check "$layout, MP4's boxes" "$expected" "$(entry $layout.mp4)"
    check "$layout, QuickTime's boxes" "$expected" "$(entry $layout.mov)"
    case $st3d in [12]) expected="${type//_/ },0" ;; *) expected= ;; esac # FFmpeg knows no others
    check "$layout, MP4" "$expected" "$(stream $layout.mp4 stream_side_data=type,inverted)"
    check "$layout, H.264" "${sei/[0-9]/1}" "$(message $layout.ts | sed 's/^0$/-/')"
    if command -v python3 >/dev/null && command -v ffmpeg >/dev/null; then
        check "$layout, H.264's arrangement" "$sei" "$(packing $layout.ts)"
    fi
    check "$layout, off" "" "$(stream off.mkv stream_tags=stereo_mode:stream_side_data=type)"
    check "$layout, off, MP4" "" "$(entry off.mp4)"
    check "$layout, off, H.264" 0 "$(message off.mp4)"
done <<'LIST'
sbs left_right side_by_side 0 2 03 side 3
hsbs left_right side_by_side 0 2 03 side 3
tab top_bottom top_and_bottom 0 1 03 over 4
htab top_bottom top_and_bottom 0 1 03 over 4
cross right_left side_by_side 1 4 0b side -
interlaced row_interleaved_lr interleaved_lines 0 - - - 2
sequential - - - - - - 5
dubois - - - - - - -
rgbd - - - - - - -
LIST

# Half layouts keep the shape of the picture, and make up for an odd half.
if command -v ffmpeg >/dev/null; then
    ffmpeg -v error -y -i film.mp4 -map 0:v -c copy -bsf:v h264_metadata=sample_aspect_ratio=4/3 shaped.mp4
    for layout in hsbs htab; do
        convert shaped.mp4 $layout.mp4 --depth depth/depth.mkv --layout $layout
        check "$layout, shape" "128,72,4:3,64:27" \
            "$(stream $layout.mp4 stream=width,height,sample_aspect_ratio,display_aspect_ratio)"
    done
fi
scene_render odd.mp4 126x72 3 && scene_render odd 126x72 3 >/dev/null || exit 1
convert odd.mp4 odd_LR.mp4 --depth odd/depth.mkv --layout hsbs
check "hsbs, odd half" "128,72,63:64,7:4" \
    "$(stream odd_LR.mp4 stream=width,height,sample_aspect_ratio,display_aspect_ratio)"
check "sequential, rate" "50/1" "$(stream sequential.mp4 stream=r_frame_rate)"
# The film's track, where it is not the first.
if command -v ffmpeg >/dev/null; then
    printf '1\n00:00:00,080 --> 00:00:00,100\nlate\n' >late.srt
    ffmpeg -v error -y -i late.srt -i film.mp4 -map 0 -map 1:v -c:v copy late.mkv
    convert late.mkv late.mp4 --depth-size 64 --frames 1
    check "film behind titles" "$(entry sbs.mp4)" "$(entry late.mp4)"
fi
# Half a sphere: 0.25 of the whole is missing left and right, in 32 bits after the point.
make sphere.mkv --layout vr180
make sphere.mp4 --layout vr180
make sphere.mov --layout vr180
expected="st3d 13 0000000002
sv3d 94 
sv3d/svhd 26 00000000$(printf stereocrafter | od -An -tx1 | tr -d ' \n')00
sv3d/proj 60 
sv3d/proj/prhd 24 00000000000000000000000000000000
sv3d/proj/equi 28 0000000000000000000000004000000040000000
vexu 90 
$(vexu 03 $side | tail -n +2)
vexu/proj 24 
vexu/proj/prji 16 00000000$(printf hequ | od -An -tx1 | tr -d ' \n')
hfov 12 $(printf %08x 180000)"
check "vr180, MP4's boxes" "$expected" "$(entry sphere.mp4)"
check "vr180, QuickTime's boxes" "$expected" "$(entry sphere.mov)"
for file in sphere.mkv sphere.mp4; do
    check "vr180, $file" "side by side,tiled equirectangular" \
        "$(stream $file stream_side_data=type,projection)"
done
make view.mp4 --fov 63.5
check "field of view" "hfov 12 $(printf %08x 63500)" "$(entry view.mp4 | grep hfov)"
# The better eye is the one that was not made.
for view in right:01 left:02 both:00; do
    make view.mp4 --synthetic-view ${view%:*}
    check "hero, ${view%:*} made" "vexu/eyes/hero 13 00000000${view#*:}" "$(entry view.mp4 | grep hero)"
done
# What FFmpeg's muxers refuse is left out, not an error.
make webm.webm --layout interlaced -c:v libvpx-vp9 && check "WebM" "" "$(stream webm.webm stream_tags=stereo_mode)"
make webm.webm --layout tab -c:v libvpx-vp9 && check "WebM, known" "top_bottom" "$(stream webm.webm stream_tags=stereo_mode)"
# A file with boxes added is whole: every packet as without (MPEG-4 has no message that would differ).
for tags in on off; do
    make plain.mp4 -c:v mpeg4 --stereo-tags $tags
    ffprobe -v error -show_data_hash md5 -show_entries packet=stream_index,pts,dts,size,data_hash -of csv \
        plain.mp4 >$tags.txt
done
check "packets" "$(cat off.txt)" "$(cat on.txt)"

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
