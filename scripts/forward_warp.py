"""Forward warping as the published one does it, in Triton: bench_peers.py's peer of the splat."""
import triton
import triton.language as tl


@triton.jit
def forward_warp(image, flow, out, channels, height, width, BLOCK: tl.constexpr):
    """out[c] += image[c], spread over the four pixels around where flow[y, x] = (dx, dy) takes it; one that any of
    them is outside for is dropped. A thread has a pixel, and adds its channels one after the other."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    pixels = height * width
    x = (at % width) + tl.load(flow + 2 * at, mask=at < pixels, other=0)
    y = (at // width) + tl.load(flow + 2 * at + 1, mask=at < pixels, other=0)
    left, top = tl.floor(x), tl.floor(y)
    keep = (at < pixels) & (left >= 0) & (left + 1 < width) & (top >= 0) & (top + 1 < height)
    fx, fy = x - left, y - top
    to = out + top.to(tl.int32) * width + left.to(tl.int32)
    for c in range(channels):
        v = tl.load(image + c * pixels + at, mask=keep, other=0)
        tl.atomic_add(to + c * pixels, v * (1 - fx) * (1 - fy), mask=keep, sem="relaxed")
        tl.atomic_add(to + c * pixels + 1, v * fx * (1 - fy), mask=keep, sem="relaxed")
        tl.atomic_add(to + c * pixels + width, v * (1 - fx) * fy, mask=keep, sem="relaxed")
        tl.atomic_add(to + c * pixels + width + 1, v * fx * fy, mask=keep, sem="relaxed")
