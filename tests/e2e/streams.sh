#!/bin/bash
# streams.sh PROGRAM TOOLS WORK: real clips, in $SC_TEST_DATA/video, keep what is theirs: every frame on its
# timestamp, every other stream packet by packet or with a warning, and in the left eye every pixel.
set -u
. "$(dirname "$0")/common.bash"
if [ -z "${SC_TEST_DATA:-}" ] || ! command -v ffmpeg >/dev/null || ! command -v ffprobe >/dev/null; then
    echo "skipped: SC_TEST_DATA names no folder of clips, or ffmpeg and ffprobe are missing"
    exit 77
fi
passed=0 failed=0

# A depth file of the same frames, so that no network has to run: what is tested here is around it.
quick=(--depth "$work/depth.mkv" --inpaint none)

check() { # WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name: $1"
        diff <(echo "$2") <(echo "$3") | head -6 | sed 's/^/    /'
    fi
}

times() { # FILE STREAM: the timestamps of its packets, in order of showing
    ffprobe -v error -select_streams "$2" -show_entries packet=pts_time -of csv=p=0 "$1" | tr -d , | sort -g
}

hash() { # FILE STREAM: of its packets
    ffmpeg -v error -i "$1" -map "0:$2" -c copy -f streamhash - | sed 's/.*=//'
}

pixels() { # FILE STREAM FILTER OPTIONS...: a hash of each frame
    local file=$1 stream=$2 filter=$3
    shift 3
    ffmpeg -v error -i "$file" -map "0:$stream" -fps_mode passthrough -vf "$filter" "$@" -f framemd5 - |
        sed -n 's/^[^#].*, *//p'
}

stereo() { # FILE STREAM
    ffprobe -v error -select_streams "$2" -show_entries stream_side_data=type -of csv=p=0 "$1" | grep side
}

make_depth() { # CLIP STREAM OPTIONS...
    local clip=$1 stream=$2
    shift 2
    ffmpeg -v error -y -i "$clip" -map "0:$stream" -fps_mode passthrough -vf "scale=64:48,format=gray" \
        -c:v ffv1 "$@" "$work/depth.mkv"
}

# Fills in film (its index in the source), film_out, and the lists copied and copied_out.
read_plan() { # CLIP OUTPUT
    local fate index out=0
    film='' copied=() copied_out=() lost=0
    while IFS=' ' read -r index fate; do
        case $fate in
        made\ anew) film=$index film_out=$out ;;
        copied) copied+=("$index") copied_out+=("$out") ;;
        left\ out*) lost=$((lost + 1)) ;;
        esac
        case $fate in left\ out* | made\ anew\ from*) ;; *) out=$((out + 1)) ;; esac
    done < <("$program" --dry-run "$1" "$2" 2>&1 | sed -n 's/.*writer: stream \([0-9]*\) (.*): /\1 /p')
    [ -n "$film" ]
}

for clip in "$SC_TEST_DATA"/video/*.{mp4,mkv,webm,3gp}; do
    [ -e "$clip" ] || continue
    name=$(basename "$clip")
    case $name in *.3gp) out=$work/out.mp4 ;; *) out=$work/out.${name##*.} ;; esac
    case $out in *.webm) speed=() ;; *) speed=(-preset veryfast) ;; esac
    if ! read_plan "$clip" "$out" || ! make_depth "$clip" "$film" ||
        ! convert "$clip" "$out" "${quick[@]}" "${speed[@]}"; then
        check "conversion" "exit code 0" "a failure"
        continue
    fi
    check "timestamps of the film" "$(times "$clip" "$film")" "$(times "$out" "$film_out")"
    check "streams that are left out have a warning" "$lost" \
        "$(grep -c '^\[warning\] .*left out' "$work/log.txt")"
    check "stereo tag" "side by side" "$(stereo "$out" "$film_out")"
    for i in "${!copied[@]}"; do
        from=${copied[$i]} to=${copied_out[$i]}
        check "packets of stream $from" "$(hash "$clip" "$from")" "$(hash "$out" "$to")"
        check "timestamps of stream $from" "$(times "$clip" "$from")" "$(times "$out" "$to")"
    done

    # The same codes in the left eye: where the format can be kept, which odd sizes forbid.
    shape=$(ffprobe -v error -select_streams "$film" -show_entries stream=width,height,pix_fmt -of csv=p=0 \
        "$clip")
    if [[ $shape =~ ^[0-9]*[02468],[0-9]*[02468],yuv420p,?$ ]]; then
        make_depth "$clip" "$film" -frames:v 30
        convert "$clip" "$work/left.mkv" "${quick[@]}" -c:v ffv1 --frames 30 ||
            check "ffv1" "exit code 0" "a failure"
        read_plan "$clip" "$work/left.mkv"
        check "pixels of the left eye" "$(pixels "$clip" "$film" null -frames:v 30)" \
            "$(pixels "$work/left.mkv" "$film_out" crop=iw/2:ih:0:0)"
    fi
done

# A part of a film with everything in it: exact frames, beginning at 0, the sound not longer than they are.
clip=$SC_TEST_DATA/video/nasa_multitrack_180p.mp4
if [ -e "$clip" ]; then
    name="from 2.5 s, 1 s"
    read_plan "$clip" "$work/part.mkv"
    convert "$clip" "$work/part.mkv" --depth-size 64 --inpaint none -c:v ffv1 -ss 2.5 -t 1 ||
        check "conversion" "exit code 0" "a failure"
    check "pixels" "$(pixels "$clip" "$film" "select=gte(t\,2.5)*lt(t\,3.5)")" \
        "$(pixels "$work/part.mkv" "$film_out" crop=iw/2:ih:0:0)"
    check "begins at 0" 0.000000 "$(times "$work/part.mkv" "$film_out" | head -1)"
    for i in "${!copied[@]}"; do
        check "stream ${copied[$i]} lies in it" "" \
            "$(times "$work/part.mkv" "${copied_out[$i]}" | awk '$1 < 0 || $1 >= 1.001')"
    done
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
