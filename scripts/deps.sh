#!/bin/bash
# deps.sh [PACKAGE...]: installs what the build and its tests need (and PACKAGEs) from the distribution, if it
# is missing. Debian 12 and 13, Ubuntu 24.04; as root or with sudo.
set -eu
packages="build-essential cmake pkg-config libavformat-dev libavcodec-dev libavfilter-dev libavutil-dev
          libdnnl-dev libcjson-dev libcmocka-dev ffmpeg"

if ! command -v dpkg-query >/dev/null; then
    echo "deps: no apt here; install these yourself: $packages" >&2
    exit 0
fi

missing=()
for p in $packages "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | cut -c1-2)" = ii ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

run=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps: neither root nor sudo; as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
    run=(sudo)
fi
echo "deps: installing ${missing[*]}"
install() {
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}
# Package lists are fetched only where they are absent or out of date.
if ! apt-cache show --no-all-versions "${missing[@]}" >/dev/null 2>&1 || ! install; then
    "${run[@]}" apt-get update -q
    install
fi
