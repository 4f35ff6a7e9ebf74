#!/bin/bash
# fetch_models.sh [FOLDER]: fetches the published networks (models/manifest.txt, 7.6 GB) into FOLDER, by default where
# stereocrafter looks for them. What is there and whole is not fetched again; what broke off goes on.
#
# The weights of Stable Video Diffusion are given only to those who have accepted their licence. Once, in a browser:
#   1. log in at https://huggingface.co and accept the licence at
#      https://huggingface.co/stabilityai/stable-video-diffusion-img2vid-xt-1-1
#   2. make a token of type "read" at https://huggingface.co/settings/tokens
#   3. HF_TOKEN=hf_... scripts/fetch_models.sh, or put the token into ~/.cache/huggingface/token
#
# HF_ENDPOINT: another server with the same layout. MANIFEST: another list.
set -u
manifest=${MANIFEST:-$(dirname "$0")/../models/manifest.txt}
server=${HF_ENDPOINT:-https://huggingface.co}
folder=${1:-${XDG_DATA_HOME:-$HOME/.local/share}/stereocrafter/models}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in curl sha256sum; do
    command -v $tool >/dev/null || { echo "fetch_models: $tool is needed" >&2; exit 1; }
done
token=${HF_TOKEN:-}
[ -n "$token" ] || token=$(cat "${HF_HOME:-$HOME/.cache/huggingface}/token" 2>/dev/null)

# fail PATH WHY: one line; counted, so that one missing file does not keep the others away.
failed=0
fail() {
    echo "fetch_models: $folder/$1: $2" >&2
    failed=$((failed + 1))
}

# fetch URL ARGUMENTS...: curl, with the token in a file: what stands in arguments can be read by every user.
# curl itself drops it where the server sends it on to another host.
: >"$work/token"
chmod 600 "$work/token"
[ -z "$token" ] || echo "header = \"Authorization: Bearer $token\"" >"$work/token"
fetch() {
    curl --silent --show-error --config "$work/token" --connect-timeout 30 "${@:2}" "$1"
}

# ask URL: sets size and sum, as the server knows them, and code.
ask() {
    code=$(fetch "$1" --head --output "$work/head" --write-out '%{http_code}' 2>"$work/error")
    header() { tr -d '\r"' <"$work/head" | sed -n "s/^$1: *//Ip" | tail -n 1; }
    # Large files lie elsewhere: what this answer says of itself is not about them.
    size=$(header x-linked-size) sum=$(header x-linked-etag)
    [ -n "$size" ] || size=$(header content-length)
    [ -n "$sum" ] || sum=$(header etag)
    sum=${sum#W/}
}

# matches FILE SUM: of 64 digits, sha256; of 40, git's name of the contents; else nothing is known.
matches() {
    case ${#2} in
    64) [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ] ;;
    40) [ "$({ printf 'blob %d\0' "$(stat -c %s "$1")"; cat "$1"; } | sha1sum | cut -d' ' -f1)" = "$2" ] ;;
    *) true ;;
    esac
}

explain() { # CODE REPOSITORY
    case $1 in
    401 | 403) echo "code $1: accept the licence at $server/$2 and give a token: HF_TOKEN=hf_... $0 $folder" ;;
    404) echo "code 404: $server/$2 has no such file" ;;
    000) echo "$(head -n 1 "$work/error")" ;;
    *) echo "code $1 from $server" ;;
    esac
}

get() { # PATH REPOSITORY FILE SHA256
    local to=$folder/$1 part=$folder/$1.part url=$server/$2/resolve/main/$3
    mkdir -p "$(dirname "$to")" || { fail "$1" "the folder cannot be made"; return; }
    ask "$url"
    [[ $code = 200 || $code = 30[1278] ]] || { fail "$1" "$(explain "$code" "$2")"; return; }
    [ "$4" = - ] || sum=$4
    if [ -e "$to" ] && [ "$(stat -c %s "$to")" = "$size" ] && matches "$to" "$sum"; then
        echo "$1: is there"
        return
    fi
    echo "$1: $size bytes"
    code=$(fetch "$url" --location --continue-at - --output "$part" --write-out '%{http_code}' 2>"$work/error") ||
        { [ "$code" = 416 ] || { fail "$1" "broke off, run this again: $(head -n 1 "$work/error")"; return; }; }
    if [ "$(stat -c %s "$part" 2>/dev/null)" != "$size" ]; then
        rm -f "$part"
        fail "$1" "has another size than the $size bytes that $server names; removed, run this again"
    elif ! matches "$part" "$sum"; then
        rm -f "$part"
        fail "$1" "has another checksum than $sum; removed, run this again"
    else
        mv "$part" "$to"
    fi
}

while IFS='|' read -r path repository file _ sha256; do
    [[ $path = '#'* || -z $path ]] || get "$path" "$repository" "$file" "$sha256"
done <"$manifest"
[ $failed = 0 ] || { echo "fetch_models: $failed files are missing" >&2; exit 1; }
echo "all of them are in $folder"
