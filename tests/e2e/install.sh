#!/bin/bash
# install.sh PROGRAM TOOLS WORK: what is installed and packed: the program, its manual page, completion, the Debian package.
set -u
here=$(realpath "$(dirname "$0")")
. "$here/common.bash"
build=$(dirname "$program")
cd "$work" || exit 1

cmake --install "$build" --prefix "$work/usr" >install.txt || exit 1
check "the program" [ "$(usr/bin/stereocrafter --version)" = "$("$program" --version)" ]
check "what fetches models, beside its list" [ -x usr/share/stereocrafter/scripts/fetch_models.sh ]
check "the list" grep -q '^DepthCrafter/config.json' usr/share/stereocrafter/models/manifest.txt

page=usr/share/man/man1/stereocrafter.1
check "a page with every option" [ "$("$program" --help full | grep -c '^  -')" = "$(grep -c '^\.TP$' <(sed '/^\.SH EXIT/,$d' $page))" ]
if command -v groff >/dev/null; then
    check "that groff reads without a warning" [ -z "$(groff -man -ww -Tutf8 $page 2>&1 >page.txt)" ]
    check "and sets with its dashes" grep -q -e '--max-disparity' <(sed 's/.\x08//g' page.txt) # without its bold face
fi

. usr/share/bash-completion/completions/stereocrafter
complete_words() { # WORD...: what the last word may become
    COMP_WORDS=(stereocrafter "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _stereocrafter
    echo "${COMPREPLY[*]}"
}
touch film.mp4
check "options are completed" [ "$(complete_words --max-d)" = "--max-disparity" ]
check "values are completed" [ "$(complete_words --layout du)" = "dubois" ]
check "files are completed" [ "$(complete_words -y fil)" = "film.mp4" ]

if command -v dpkg-shlibdeps >/dev/null; then
    (cd "$build" && cpack -B "$work" >"$work/pack.txt") || failed=$((failed + 1))
    deb=$(echo stereocrafter_*.deb)
    dpkg-deb -c "$deb" >contents.txt
    check "the package has the program" grep -q ' ./usr/bin/stereocrafter$' contents.txt
    check "and needs FFmpeg's libraries" grep -q 'libavcodec' <(dpkg-deb -f "$deb" Depends)
    check "it unpacks" dpkg-deb -x "$deb" root
    check "to a program that runs" root/usr/bin/stereocrafter --version >/dev/null
fi

[ $failed = 0 ]
