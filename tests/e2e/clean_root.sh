#!/bin/bash
# clean_root.sh PROGRAM TOOLS WORK: the Debian package in a root where nothing else is: it installs with what it depends on,
# converts a film there for somebody who is not root, to the same pixels, and is removed whole. As root, with debootstrap
# and a mirror of this distribution; SC_MIRROR is one if it is set.
set -u
. "$(dirname "$0")/common.bash"
skip() {
    echo "skipped: $1"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "only root can make a root"
for tool in debootstrap chroot dpkg-shlibdeps ffmpeg; do
    command -v $tool >/dev/null || skip "there is no $tool"
done
grep -qE '__(a|t)san_init' "$program" && skip "a sanitizer is no package's"
build=$(dirname "$program")
# With CUDA it needs libraries that come from NVIDIA, of which a clean root of the distribution has none.
nvidia=$(ldd "$program" | sed -n 's/^[[:space:]]*\(lib\(cublas\|cudart\|cudnn\)[^ ]*\).*/\1/p' | head -n 1)
[ -z "$nvidia" ] || skip "it needs $nvidia, which is not the distribution's"
cd "$work" || exit 1
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=${SC_MIRROR:-$(sed -n 's/^URIs: *//p; s/^deb  *\(http[^ ]*\) .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)}
[ -n "$mirror" ] && curl -sfI -m 20 "$mirror/dists/$suite/Release" >/dev/null || skip "no mirror of $suite can be reached"

root=$work/root
trap 'rm -rf "$root"' EXIT
scene_render film.mp4 192x108 5 && (cd "$build" && cpack -B "$work" >"$work/log.txt") || exit 1
deb=$(echo stereocrafter_*.deb)
debootstrap --variant=minbase "$suite" "$root" "$mirror" >log.txt 2>&1 || { tail -n 5 log.txt && exit 1; }
cp "$deb" film.mp4 "$root/tmp/"
cp /etc/resolv.conf "$root/etc/"
chroot "$root" apt-get install -y -q --no-install-recommends "/tmp/$deb" >log.txt 2>&1
check "it installs" [ $? = 0 ]
there() { chroot --userspec=65534:65534 "$root" env HOME=/tmp "$@"; }
check "it runs" [ "$(there stereocrafter --version | head -n 1 | cut -d, -f1)" = "$("$program" --version | head -n 1 | cut -d, -f1)" ]
check "its manual page is there" eval 'ls "$root"/usr/share/man/man1/stereocrafter.1*'
there stereocrafter /tmp/film.mp4 /tmp/out.mkv -c:v ffv1 --threads 1 --progress none 2>log.txt
check "it converts a film" [ $? = 0 ]
convert film.mp4 out.mkv -c:v ffv1 --threads 1 || exit 1
pixels() { ffmpeg -v error -i "$1" -f framemd5 - | grep -v '^#'; }
check "to the same pixels" [ "$(pixels "$root/tmp/out.mkv")" = "$(pixels out.mkv)" ]
chroot "$root" apt-get purge -y -q stereocrafter >log.txt 2>&1
check "it goes" [ $? = 0 ]
check "and leaves nothing" [ -z "$(find "$root/usr" "$root/etc" -name '*stereocrafter*')" ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
