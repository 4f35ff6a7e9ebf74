#!/bin/bash
# loop.sh PROGRAM TOOLS WORK [FRAMES]: hours of film, with sound: a tiny clip over and over. Memory and open files at the
# middle and at the end are what they were after a tenth. FRAMES: 2000; 100000 takes half an hour.
set -u
. "$(dirname "$0")/common.bash"
command -v ffmpeg >/dev/null || exit 77
grep -qE '__(a|t)san_init' "$program" && echo "skipped: what a sanitizer keeps of freed memory grows" && exit 77
cd "$work" || exit 1
frames=${4:-2000}
scene_render clip.mp4 64x48 100 2 &&
    ffmpeg -v error -i clip.mp4 -f lavfi -i sine=duration=4 -c:v copy -c:a mp2 -shortest clip.mkv &&
    ffmpeg -v error -stream_loop $((frames / 100 - 1)) -i clip.mkv -c copy film.mkv || exit 1

# after FRAME: of the samples of the next tenth the most memory, and how many files are open most of the time: where a segment
# ends there are more or fewer for a moment. Not of the joining, which opens the film once more.
after() {
    awk -v from="$1" -v to=$(($1 + frames / 10)) '
        $1 >= from && $1 < to { if ($2 > k) k = $2; if (++n[$4] > n[f]) f = $4 }
        END { printf "%d %d", k, f }' samples.txt
}
# Memory: as long.sh has it; one frame's smallest picture that is lost in each is 1.2 GiB in 100,000.
flat() {
    local tenth middle end
    tenth=$(after $((frames / 10))) middle=$(after $((frames / 2))) end=$(after $((frames * 9 / 10)))
    echo "$frames frames: KiB and open files $tenth after a tenth, $middle after the half, $end at the end; $most KiB to join it"
    [ "${tenth%% *}" -gt 0 ] && [ "${tenth##* }" -gt 0 ] && at_least $((${tenth%% *} + 1024)) "${middle%% *}" &&
        at_least $((${tenth%% *} + 1024)) "${end%% *}" && [ "${tenth##* }" = "${middle##* }" ] &&
        [ "${tenth##* }" = "${end##* }" ]
}
check "the film comes out" watched film.mkv out.mkv --depth-size 64 --inpaint extend -preset ultrafast --threads 2
check "memory and open files stay" flat
count() { ffprobe -v error -count_packets -select_streams "$1" -show_entries stream=nb_read_packets -of default=nw=1:nk=1 "$2" | head -n 1; }
check "every frame" [ "$(count v out.mkv)" = "$frames" ]
check "all its sound" [ "$(count a out.mkv)" = "$(count a film.mkv)" ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
