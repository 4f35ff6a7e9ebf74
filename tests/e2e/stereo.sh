#!/bin/bash
# stereo.sh PROGRAM TOOLS WORK: real pairs. Scale and shift of the disparity are fitted once a clip; then
# the made right eye must be nearer to the true one than the left eye unchanged is, in PSNR and in SSIM. The
# pairs are found through SC_TEST_DATA (its folder `stereo`); without it the test is skipped.
set -u
. "$(dirname "$0")/common.bash"
failed=0

if [ -z "${SC_TEST_DATA:-}" ]; then
    echo "skipped: SC_TEST_DATA names no folder"
    exit 77
fi
pairs=$SC_TEST_DATA/stereo

report() { # NAME MADE TRUE FRAMES: sets $result
    result=$(score "$2" "$3" --frames "$4") || exit 1
    printf '%-46s %s\n' "$1" "$result"
}

must_beat() { # RESULT FLOOR
    if ! above "$(value psnr "$1")" "$(value psnr "$2")" ||
        ! above "$(value ssim "$1")" "$(value ssim "$2")"; then
        echo "FAILED: not better than the left eye unchanged"
        failed=1
    fi
}

# One still with true disparity, here 0..64 px. What the stereo matcher could not see counts as far as its
# farther neighbour for rendering, and not at all for the fit.
motorcycle() {
    local in=$pairs/motorcycle floor scale=64 width=741
    local strength
    strength=$(awk "BEGIN { print 100 * $scale / $width }")
    python3 - "$in/disp_left.npz" "$work/true.pgm" "$work/known.pgm" $scale <<'PYTHON' || return
import array, ast, math, struct, sys, zipfile

archive = zipfile.ZipFile(sys.argv[1])
data = archive.read(archive.namelist()[0])
start = 10 + struct.unpack("<H", data[8:10])[0]
header = ast.literal_eval(data[10:start].decode())
assert header["descr"] == "<f4" and not header["fortran_order"]
height, width = header["shape"]
value = array.array("f", data[start:])

def write(path, rows):
    words = array.array("H", [round(min(v / float(sys.argv[4]), 1) * 65535) for row in rows for v in row])
    if sys.byteorder == "little":
        words.byteswap()
    with open(path, "wb") as f:
        f.write(b"P5 %d %d 65535\n" % (width, height) + words.tobytes())

def fill(row):
    right, last = [0.0] * width, 0.0
    for x in reversed(range(width)):
        last = right[x] = row[x] or last
    last = 0.0
    out = []
    for x in range(width):
        last = row[x] or last
        out.append(row[x] or min(v for v in (last, right[x]) if v) if last or right[x] else 0.0)
    return out

known = [[v if math.isfinite(v) else 0.0 for v in value[y * width:(y + 1) * width]] for y in range(height)]
write(sys.argv[3], known)
write(sys.argv[2], [fill(row) for row in known])
PYTHON
    convert "$in/left.png" "$work/network.mkv" --layout right -c:v ffv1 \
        --export-depth "$work/depth.mkv" || exit 1
    fit "$work/depth.mkv" "$work/known.pgm" "$work/fitted.mkv" >"$work/fit.txt" || exit 1
    for depth in true.pgm fitted.mkv; do
        convert "$in/left.png" "$work/${depth%.*}_right.mkv" --layout right -c:v ffv1 --depth "$work/$depth" \
            --max-disparity "$strength" --convergence 0 || exit 1
    done
    report "motorcycle: left eye, nothing done" "$in/left.png" "$in/right.png" 1
    floor=$result
    report "motorcycle: built-in depth, fitted" "$work/fitted_right.mkv" "$in/right.png" 1
    must_beat "$result" "$floor"
    report "motorcycle: true disparity" "$work/true_right.mkv" "$in/right.png" 1
    must_beat "$result" "$floor"
}

# No truth but the right eye itself: a coarse grid, then a finer one around the best, on two frames of made
# depth.
plaza() {
    local in=$pairs/vr180_plaza frames=24 floor best=0 options=
    convert "$in/left.mp4" "$work/default.mkv" --layout right -c:v ffv1 --frames $frames \
        --export-depth "$work/plaza.mkv" || exit 1
    try() { # MAX_DISPARITY CONVERGENCE
        convert "$in/left.mp4" "$work/try.mkv" --layout right -c:v ffv1 --frames 2 --depth "$work/plaza.mkv" \
            --max-disparity "$1" --convergence "$2" || exit 1
        local psnr
        psnr=$(value psnr "$(score "$work/try.mkv" "$in/right.mp4" --frames 2)")
        if above "$psnr" "$best"; then
            best=$psnr
            options="$1 $2"
        fi
    }
    for m in 0.5 1 1.5 2; do
        for c in 0 0.25 0.5 0.75; do
            try $m $c
        done
    done
    read -r m0 c0 <<<"$options"
    for dm in -0.25 0 0.25; do
        for dc in -0.12 0 0.12; do
            read -r m c < <(awk "BEGIN { c = $c0 + $dc; print $m0 + $dm, (c < 0 ? 0 : c > 1 ? 1 : c) }")
            try "$m" "$c"
        done
    done
    read -r m c <<<"$options"
    convert "$in/left.mp4" "$work/fitted.mkv" --layout right -c:v ffv1 --frames $frames \
        --depth "$work/plaza.mkv" --max-disparity "$m" --convergence "$c" || exit 1
    report "vr180_plaza: left eye, nothing done" "$in/left.mp4" "$in/right.mp4" $frames
    floor=$result
    report "vr180_plaza: built-in depth ($m %, $c)" "$work/fitted.mkv" "$in/right.mp4" $frames
    must_beat "$result" "$floor"
}

if command -v python3 >/dev/null; then
    motorcycle
else
    echo "left out: motorcycle, its disparity is read with python3"
fi
plaza
exit $failed
