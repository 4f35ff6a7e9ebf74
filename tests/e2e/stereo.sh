#!/bin/bash
# stereo.sh PROGRAM TOOLS WORK: real pairs. What is made of their left eye must be nearer to the true right eye than the
# left eye unchanged is, in all that --score measures of pictures and depth. The pairs are found through SC_TEST_DATA (its
# folder `stereo`); without it the test is skipped.
set -u
. "$(dirname "$0")/common.bash"
failed=0

if [ -z "${SC_TEST_DATA:-}" ]; then
    echo "skipped: SC_TEST_DATA names no folder"
    exit 77
fi
pairs=$SC_TEST_DATA/stereo

measure() { # NAME ARGUMENTS...: what is made of a pair must come nearer to its right eye than the left eye does
    local name=$1 made floor k
    shift
    convert --score "$@" || exit 1
    read -ra made < <(figures "right eye as made")
    read -ra floor < <(figures "left eye, nothing done")
    printf '%-34s PSNR %s (nothing done: %s), SSIM %s (%s), SIoU %s (%s), disparity off by %s %% (%s)\n' "$name" \
        "${made[0]}" "${floor[0]}" "${made[1]}" "${floor[1]}" "${made[2]}" "${floor[2]}" "${made[3]}" "${floor[3]}"
    for k in 0 1 2; do
        above "${made[k]}" "${floor[k]}" || complain "$name"
    done
    above "${floor[3]}" "${made[3]}" || complain "$name"
}
figures() { # WHOSE: PSNR, SSIM, SIoU, disparity
    sed -n "s/.*$1: PSNR \([-0-9.]*\) dB, SSIM \([-0-9.]*\), SIoU \([0-9.]*\), disparity off by \([0-9.]*\).*/\1 \2 \3 \4/p" \
        "$work/log.txt"
}
complain() {
    echo "FAILED: $1 is not better than the left eye unchanged"
    failed=1
}

# One still with true disparity, here 0..64 px. What the stereo matcher could not see counts as far as its farther
# neighbour.
motorcycle() {
    local in=$pairs/motorcycle scale=64
    python3 - "$in/disp_left.npz" "$work/true.pgm" $scale <<'PYTHON' || return
import array, ast, math, struct, sys, zipfile

archive = zipfile.ZipFile(sys.argv[1])
data = archive.read(archive.namelist()[0])
start = 10 + struct.unpack("<H", data[8:10])[0]
header = ast.literal_eval(data[10:start].decode())
assert header["descr"] == "<f4" and not header["fortran_order"]
height, width = header["shape"]
value = array.array("f", data[start:])

def write(path, rows):
    words = array.array("H", [round(min(v / float(sys.argv[3]), 1) * 65535) for row in rows for v in row])
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
write(sys.argv[2], [fill(row) for row in known])
PYTHON
    measure "motorcycle, true disparity" "$in/left.png" "$in/right.png" --depth "$work/true.pgm"
}

if command -v python3 >/dev/null; then
    motorcycle
else
    echo "left out: motorcycle, its disparity is read with python3"
fi
measure "motorcycle" "$pairs/motorcycle/left.png" "$pairs/motorcycle/right.png"
measure "twain" "$pairs/twain/left.jpg" "$pairs/twain/right.jpg"
measure "vr180_plaza" "$pairs/vr180_plaza/left.mp4" "$pairs/vr180_plaza/right.mp4" --frames 24
exit $failed
