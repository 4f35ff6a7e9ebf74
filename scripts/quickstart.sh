#!/bin/bash
# quickstart.sh [CLIP]: installs what is missing, builds into build/, and converts CLIP (or a small rendered
# film).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=$here/build

if [ $# -gt 1 ] || { [ $# = 1 ] && [ ! -f "$1" ]; }; then
    echo "quickstart.sh [CLIP]: CLIP is a video file" >&2
    exit 2
fi
"$here/scripts/deps.sh"
cmake -S "$here" -B "$build"
cmake --build "$build" -j "$(nproc)" --target stereocrafter scene_render

if [ $# = 1 ]; then
    clip=$1
    case $(basename "$clip") in
    *.*) result=${clip%.*}_LRF_Full_SBS.mkv ;;
    *) result=${clip}_LRF_Full_SBS.mkv ;;
    esac
else
    clip=$build/demo/demo.mp4
    result=$build/demo/demo_LRF_Full_SBS.mp4
    mkdir -p "$build/demo"
    "$build/tests/scene_render" "$clip" 960x540 48 2
fi
"$build/stereocrafter" -y -i "$clip" -o "$result"
echo "The stereo film: $result"
