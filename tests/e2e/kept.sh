#!/bin/bash
# kept.sh PROGRAM TOOLS WORK: what belongs to a film beside its pictures comes along: sound in two languages, titles, an
# attached font, chapters, tags, dispositions, uneven timestamps; ten bits and HDR's tags and metadata.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null && command -v python3 >/dev/null || exit 77
cd "$work" || exit 1

scene_render clip.mp4 128x72 12 && scene_render depth 128x72 12 >/dev/null || exit 1
fast=(--depth depth/depth.mkv --inpaint extend)
cat >film.ass <<'ASS'
[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, Alignment
Style: Default,Sans,20,2
[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:00.10,0:00:00.40,Default,{\i1}seen{\i0}
ASS
printf ';FFMETADATA1\ntitle=A film\nartist=Nobody\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=480\ntitle=Two\n' >tags.txt
head -c 1000 /dev/urandom >font.ttf
# Frames at 0, 1, 4, 9 ... hundredths.
ffmpeg -v error -i clip.mp4 -f lavfi -i sine=duration=1.3 -f lavfi -i sine=700:duration=1.3 -i film.ass -i tags.txt \
    -map 0:v -map 1 -map 2 -map 3 -map_metadata 4 -vf "settb=1/1000,setpts=N*N*10" -fps_mode passthrough -enc_time_base 1/1000 \
    -c:v mpeg4 -q:v 2 -c:a:0 aac -c:a:1 ac3 -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra -metadata:s:a:1 title=Doublage \
    -metadata:s:s:0 language=deu -disposition:a:0 0 -disposition:a:1 default+comment -disposition:s:0 forced \
    -attach font.ttf -metadata:s:t mimetype=application/x-truetype-font film.mkv || exit 1
convert film.mkv out.mkv "${fast[@]}" -c:v ffv1 || exit 1

streams() { # FILE: of all but the picture: codec, language, title, dispositions
    ffprobe -v error -show_entries stream=codec_type,codec_name:stream_tags=language,title,filename,mimetype:stream_disposition=default,forced,comment \
        -of compact "$1" | grep -v codec_type=video
}
hashes() { ffmpeg -v error -i "$1" -map 0:a -map 0:s -c copy -f streamhash - ; }
packets() { ffprobe -v error -select_streams "$2" -show_entries packet=pts_time -of csv=p=0 "$1"; }
chapters() { ffprobe -v error -show_chapters -of compact "$1" | sed 's/time_base=[^|]*|//; s/|start=[^|]*|/|/; s/|end=[^|]*|/|/'; }
tags() { ffprobe -v error -show_entries format_tags=title,artist -of compact "$1"; }
same() { [ -n "$("$1" "$2")" ] && [ "$("$1" "$2")" = "$("$1" "$3")" ]; }
check "streams, languages, titles, dispositions, the font" same streams film.mkv out.mkv
check "their packets" same hashes film.mkv out.mkv
check "the font's bytes" eval "ffmpeg -v error -dump_attachment:t:0 kept.ttf -i out.mkv 2>/dev/null; cmp font.ttf kept.ttf"
check "uneven timestamps" [ "$(packets film.mkv v | wc -l),$(packets film.mkv v)" = "12,$(packets out.mkv v)" ]
check "chapters" same chapters film.mkv out.mkv
check "tags" same tags film.mkv out.mkv
# MP4 has no attachments: what it cannot hold has a line.
convert film.mkv out.mp4 "${fast[@]}" || exit 1
check "both languages in an MP4" [ "$(ffprobe -v error -select_streams a -show_entries stream_tags=language -of default=nw=1:nk=1 out.mp4 | paste -sd,)" = eng,fra ]
check "chapters in an MP4" [ "$(ffprobe -v error -show_chapters -of compact out.mp4 | grep -o 'title=[A-Za-z]*' | paste -sd,)" = title=One,title=Two ]
check "what an MP4 cannot hold is told" [ "$(sed -n 's/^\[warning\] writer: stream \(.*\) is left out.*/\1/p' log.txt)" = "4 (attachment, ttf)" ]

# HDR10, where this FFmpeg can make it.
if ffmpeg -v error -encoders | grep -q libx265; then
    # Debian 12's x265 does not free its filters, which a sanitizer would tell of.
    echo leak:libx265 >leaks.txt
    export LSAN_OPTIONS=suppressions=$work/leaks.txt
    hdr="colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400:log-level=none"
    ffmpeg -v error -i clip.mp4 -an -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 \
        -colorspace bt2020nc -x265-params "$hdr" hdr.mkv || exit 1
    # The film's tags, then its metadata as numbers: of the stream, or of its first frame.
    hdr() {
        ffprobe -v error -select_streams v:0 -show_streams -show_frames -read_intervals '%+#1' -of json "$1" | python3 -c "
import fractions, json, sys
film = json.load(sys.stdin)
print([film['streams'][0].get(k) for k in ('pix_fmt', 'color_range', 'color_space', 'color_transfer', 'color_primaries')])
found = {}
for part in film['frames'] + film['streams']:
    for side in part.get('side_data_list', []):
        for key, value in side.items():
            if key.split('_')[0] in ('red', 'green', 'blue', 'white', 'min', 'max'):
                found[key] = float(fractions.Fraction(value))
print(len(found), sorted(found.items()))"
    }
    for codec in libx264 libx265; do
        convert hdr.mkv hdr_out.mkv "${fast[@]}" -c:v $codec -preset ultrafast || exit 1
        check "$codec: ten bits, tags and HDR10's metadata" same hdr hdr.mkv hdr_out.mkv
    done
    check "which are there" grep -q '^12 ' <(hdr hdr.mkv)
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
