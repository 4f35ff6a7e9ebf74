#!/bin/bash
# errors.sh PROGRAM TOOLS WORK: what goes wrong is said in one line, has its own exit code and leaves
# nothing behind.
set -u
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
passed=0 failed=0

complain() {
    echo "FAILED: $name: $1"
    sed 's/^/    /' "$work/said.txt"
    failed=$((failed + 1))
}

listing() {
    find "$work" -path "$work/said.txt" -prune -o -printf '%p %y %s\n' | sort
}

# run CODE WORD ARGUMENTS...: the exit code, exactly one error line, which contains WORD (none if CODE is
# 0), nothing on stderr that is not the program's own, no file added, removed or resized.
run() {
    local code=$1 word=$2 before got errors
    shift 2
    before=$(listing)
    timeout 120 "$program" --progress none "$@" </dev/null >/dev/null 2>"$work/said.txt"
    got=$?
    errors=$(grep -c '^\[error\]' "$work/said.txt")
    if [ $got != "$code" ]; then
        complain "exit code $got, not $code"
    elif [ "$errors" != $((code != 0)) ]; then
        complain "$errors error lines"
    elif [ "$code" != 0 ] && ! grep '^\[error\]' "$work/said.txt" | grep -q -e "$word"; then
        complain "the error line does not name $word"
    elif grep -v -q '^\[\(error\|warning\|info\|debug\)\] ' "$work/said.txt"; then
        complain "lines that are not the program's own"
    elif [ "$code" != 0 ] && [ "$before" != "$(listing)" ]; then
        diff <(echo "$before") <(listing) >>"$work/said.txt"
        complain "something was left behind"
    else
        passed=$((passed + 1))
    fi
}

scene_render film.mp4 128x72 25 || exit 1
scene_render depth 128x72 10 >/dev/null || exit 1
mkdir folder
echo "a film, it is not" >text.mp4
: >zero.mp4
head -c 300 film.mp4 >broken.mp4
head -c $(($(stat -c %s film.mp4) * 2 / 3)) film.mp4 >truncated.mp4
{ # a second of silence, 8 kHz
    printf 'RIFF\244\076\000\000WAVEfmt \020\000\000\000\001\000\001\000\100\037\000\000\200\076\000\000'
    printf '\002\000\020\000data\200\076\000\000'
    head -c 16000 /dev/zero
} >audio.wav
echo "kept" >exists.mkv

# The input.
name="missing file" && run 9 nowhere.mp4 nowhere.mp4 out.mkv
name="directory" && run 9 folder folder out.mkv
name="text file" && run 10 text.mp4 text.mp4 out.mkv
name="zero bytes" && run 10 zero.mp4 zero.mp4 out.mkv
name="mp4 without its index" && run 10 broken.mp4 broken.mp4 out.mkv
name="sound alone" && run 10 audio.wav audio.wav out.mkv
name="truncated mp4" && run 0 "" truncated.mp4 out.mkv -c:v ffv1
grep -q '^\[warning\].*' said.txt || complain "no warning"
score out.mkv out.mkv >/dev/null || complain "what was there was not converted"
rm -f out.mkv

# The output.
name="output in a missing folder" && run 11 nowhere/out.mkv film.mp4 nowhere/out.mkv
readonly_folder=$work/readonly
mkdir "$readonly_folder" && chmod 555 "$readonly_folder"
if [ -w "$readonly_folder" ]; then
    readonly_folder=/proc # root may write anywhere, but nobody here
fi
name="read-only folder" && run 11 out.mkv film.mp4 "$readonly_folder/out.mkv"
[ -e "$readonly_folder/out.mkv" ] && complain "something was written"
name="unknown container" && run 11 out.xyz film.mp4 out.xyz
name="existing output" && run 3 exists.mkv film.mp4 exists.mkv
name="existing second output" && run 3 exists.mkv film.mp4 out.mkv --layout tab exists.mkv
name="second output in a missing folder" && run 11 nowhere film.mp4 out.mkv --layout tab nowhere/out.mkv
name="existing output, -n" && run 3 exists.mkv -n film.mp4 exists.mkv
name="existing sidecar" && run 3 exists.mkv film.mp4 out.mkv --export-depth exists.mkv
[ "$(cat exists.mkv)" = kept ] || complain "the existing file was changed"
mkdir small
if mount -t tmpfs -o size=64k none small 2>/dev/null; then
    name="full disk" && run 6 small/out.mkv film.mp4 small/out.mkv -c:v ffv1
    name="full disk, sidecar" && run 6 small/depth.mkv film.mp4 out.mkv --export-depth small/depth.mkv
    name="full disk, second output" && run 6 small/tab.mkv film.mp4 out.mkv --layout tab -c:v ffv1 small/tab.mkv
    name="full disk, depth of a whole film" && run 6 small/range.mkv film.mp4 small/range.mkv --depth-range film
    umount small
else
    echo "left out: full disk, mounting is not permitted here"
fi

# The command line.
name="no argument" && run 2 input
name="unknown option" && run 2 --wobble film.mp4 out.mkv --wobble 3
name="value out of range" && run 2 --max-disparity film.mp4 out.mkv --max-disparity 11
name="value that is no number" && run 2 --max-disparity film.mp4 out.mkv --max-disparity abc
name="value missing" && run 2 --depth-size film.mp4 out.mkv --depth-size
name="unknown choice" && run 2 --layout film.mp4 out.mkv --layout sideways
name="too many files" && run 2 2.mkv film.mp4 {1..3}.mkv
name="an output twice" && run 2 out.mkv film.mp4 out.mkv --layout tab out.mkv
name="an option of no output" && run 2 --layout film.mp4 1.mkv 2.mkv --layout tab
name="unknown encoder" && run 2 libnothing film.mp4 out.mkv -c:v libnothing
name="unknown pixel format" && run 2 yuv12345 film.mp4 out.mkv -pix_fmt yuv12345
name="output onto the input" && run 2 film.mp4 -y film.mp4 film.mp4
name="depth onto the film" && run 2 film.mp4 -y film.mp4 out.mkv --export-depth film.mp4
name="depth onto the output" && run 2 out.mkv film.mp4 out.mkv --export-depth out.mkv
name="output onto the depth" && run 2 depth.mkv -y film.mp4 depth/depth.mkv --depth depth/depth.mkv
name="unknown device" && run 7 sofa film.mp4 out.mkv --device sofa

# Weights.
name="folder of weights missing" && run 8 nowhere film.mp4 out.mkv --models nowhere
weights() { # HEADER BYTES: a safetensors file in every place where the inpainting networks are looked for
    local folder
    for folder in StereoCrafter/unet_diffusers stable-video-diffusion-img2vid-xt-1-1/{vae,image_encoder}; do
        mkdir -p "models/$folder"
        for stem in diffusion_pytorch_model model; do
            {
                printf "\\$(printf %o ${#1})\0\0\0\0\0\0\0%s" "$1"
                head -c "$2" /dev/zero
            } >"models/$folder/$stem.safetensors"
        done
    done
}
network=(--inpaint network --models models)
weights '{"conv_in.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}' 16
name="weights of another shape" && run 8 safetensors film.mp4 out.mkv "${network[@]}"
weights '{"conv_in.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}' 15
name="weights cut short" && run 8 safetensors film.mp4 out.mkv "${network[@]}"
weights '{"conv_in.weight":{"dtype":' 16
name="weights with a broken header" && run 8 safetensors film.mp4 out.mkv "${network[@]}"
rm -r models
name="weights not asked for by name" && run 8 --models film.mp4 out.mkv --inpaint network

# Depth.
name="two passes over standard input" && run 2 "read twice" - out.mkv --depth-range film
name="depth too short" && run 12 depth.mkv film.mp4 out.mkv --depth depth/depth.mkv
scene_render long 128x72 30 >/dev/null || exit 1
name="depth too long" && run 12 depth.mkv film.mp4 out.mkv --depth long/depth.mkv
name="depth missing" && run 12 nowhere.mkv film.mp4 out.mkv --depth nowhere.mkv
name="depth that is no film" && run 12 text.mp4 film.mp4 out.mkv --depth text.mp4

# Signals: what is done under another name, playable, or nothing if nothing is done.
scene_render long.mp4 256x144 150 || exit 1
interrupted() { # SIGNAL CODE PARTIAL SAID OPTIONS...: when SAID is said, after which there is a PARTIAL film if 1
    local before child got signal=$1 code=$2 partial=$3 said=$4
    shift 4
    before=$(listing)
    "$program" --progress json long.mp4 out.mkv --no-resume -c:v ffv1 "$@" </dev/null >/dev/null 2>"$work/said.txt" &
    child=$!
    for _ in {1..600}; do
        grep -q "$said" "$work/said.txt" && break
        sleep 0.1
    done
    kill -s "$signal" $child
    kill -s "$signal" $child # twice at once, as timeout(1) does
    wait $child
    got=$?
    if [ $got != "$code" ]; then
        complain "exit code $got, not $code"
    elif [ -e out.mkv ]; then
        complain "an unfinished film has the name of a finished one"
    elif [ "$partial" = 1 ] && ! score out.partial.mkv out.partial.mkv >/dev/null; then
        complain "there is no partial film that can be played"
    elif rm -f out.partial.mkv && [ "$before" != "$(listing)" ]; then
        complain "something was left behind"
    else
        passed=$((passed + 1))
    fi
}
name="SIGINT" && interrupted INT 130 1 '"frame":[1-9]'
name="SIGTERM" && interrupted TERM 143 1 '"frame":[1-9]'
name="SIGTERM at once" && interrupted TERM 143 0 ''
name="SIGTERM in the first of two passes" && interrupted TERM 143 0 'depth first' --depth-range film

echo "$passed passed, $failed failed"
[ $failed = 0 ]
