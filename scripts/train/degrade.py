"""What cameras, editors and codecs do to a picture, so that a network trained on rendered light reads real video.

Every effect is drawn for each picture by itself and applied to the whole batch at once.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Luma quantisation table of the JPEG standard, annex K.
JPEG_TABLE = [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
              14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
              49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]


class Draw:
    """Random numbers, one for each picture of a batch, shaped to broadcast over [n,c,h,w]."""

    def __init__(self, like: Tensor):
        self.n, self.device = len(like), like.device

    def uniform(self, low: float = 0, high: float = 1, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(self.n, channels, 1, 1, device=self.device)

    def normal(self, channels: int = 1) -> Tensor:
        return torch.randn(self.n, channels, 1, 1, device=self.device)

    def chance(self, p: float) -> Tensor:
        return self.uniform() < p

    def sometimes(self, p: float, value: Tensor, otherwise: float) -> Tensor:
        return torch.where(self.chance(p), value, torch.full_like(value, otherwise))


def on_some(x: Tensor, share: float, effect: Callable[..., Tensor], *others: Tensor, **options: float) -> Tensor:
    """A dear effect, computed only for the pictures that get it."""
    chosen = torch.randperm(len(x), device=x.device)[: round(share * len(x))]
    if len(chosen):
        x = x.index_copy(0, chosen, effect(x[chosen], *(other[chosen] for other in others), **options))
    return x


def luma(x: Tensor) -> Tensor:
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def blur(x: Tensor, sigma: float) -> Tensor:
    radius = math.ceil(2.5 * sigma)
    at = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel, groups=x.shape[1])
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel.transpose(2, 3), groups=x.shape[1])


def defocus(x: Tensor, disparity: Tensor) -> Tensor:
    """Blur by distance from a plane of focus that passes through some point of the picture."""
    draw = Draw(x)
    n, _, height, width = x.shape
    near = disparity / disparity.amax((1, 2), keepdim=True).clamp_min(1e-6)
    row = (height * (0.25 + 0.5 * torch.rand(n, device=x.device))).long()
    column = (width * (0.2 + 0.6 * torch.rand(n, device=x.device))).long()
    focus = near[torch.arange(n, device=x.device), row, column]
    aperture = torch.exp(draw.uniform(-0.3, math.log(8) - 0.3)) * (min(height, width) / 192)
    circle = F.avg_pool2d((near - focus[:, None, None]).abs()[:, None] * aperture, 5, 1, 2)
    mild = blur(x, 1.2)
    strong = blur(mild, 2.3)
    widest = F.interpolate(blur(F.avg_pool2d(strong, 2), 2.4), scale_factor=2.0, mode="bilinear")
    for picture, begin, end in ((mild, 0, 1.2), (strong, 1.2, 2.6), (widest, 2.6, 5.5)):
        x = x + (picture - x) * ((circle - begin) / (end - begin)).clamp(0, 1)
    return x


def lens(x: Tensor) -> Tensor:
    """Soft lens, motion along a line, or sharpening: one 9x9 kernel for each picture."""
    draw = Draw(x)
    at = torch.arange(-4, 5, device=x.device, dtype=x.dtype)
    down, across = at.view(1, 1, -1, 1), at.view(1, 1, 1, -1)
    sigma = 0.35 + 1.1 * draw.uniform() ** 2
    soft = torch.exp(-(down**2 + across**2) / (2 * sigma**2))
    soft = soft / soft.sum((2, 3), keepdim=True)
    angle, reach = draw.uniform(0, math.pi), draw.uniform(0.5, 3.7)
    along, aside = across * angle.cos() + down * angle.sin(), down * angle.cos() - across * angle.sin()
    line = torch.exp(-2 * aside**2) * torch.sigmoid(3 * (reach - along.abs()))
    line = line / line.sum((2, 3), keepdim=True)
    none = ((down == 0) & (across == 0)).to(x.dtype).expand_as(soft)
    sharp = none + draw.uniform(0.3, 1.2) * (none - soft)
    kind = draw.uniform()
    kernel = torch.where(kind < 0.45, soft, torch.where(kind < 0.68, line, sharp))
    n, c, height, width = x.shape
    padded = F.pad(x, (4, 4, 4, 4), mode="replicate").reshape(1, n * c, height + 8, width + 8)
    return F.conv2d(padded, kernel.repeat_interleave(c, 0), groups=n * c).view(n, c, height, width).clamp_min(0)


def expose(x: Tensor, draw: Draw) -> Tensor:
    level = luma(x)[:, :, ::4, ::4].flatten(1)
    key = (0.5 * level.mean(1) + 0.5 * level.median(1)[0]).view(-1, 1, 1, 1)
    gain = draw.uniform(0.07, 0.25) * draw.uniform(1, 1.3) / (key + 5e-3)
    return x * gain * draw.sometimes(0.1, draw.uniform(0.15, 0.55), 1)


def develop(x: Tensor, draw: Draw) -> Tensor:
    """Linear light to a graded picture in 0..1."""
    n, _, height, width = x.shape
    y = torch.linspace(-1, 1, height, device=x.device).view(1, 1, -1, 1)
    across = torch.linspace(-1, 1, width, device=x.device).view(1, 1, 1, -1)
    x = x * (1 - draw.sometimes(0.4, draw.uniform(0, 0.35), 0) * (y**2 + across**2))
    x = x * torch.exp(0.08 * draw.normal(3))
    knee = draw.sometimes(0.7, draw.uniform(0.15, 0.75), 1e3)
    x = (x * (1 + 1 / knee) / (1 + x / knee)).clamp(0, 1) ** (1 / draw.uniform(1.8, 2.4))
    ranked = luma(x)[:, 0, ::4, ::4].flatten(1).sort(1)[0]
    low = ranked[:, int(0.01 * ranked.shape[1])].view(-1, 1, 1, 1) * draw.uniform()
    high = ranked[:, int(0.98 * ranked.shape[1])].view(-1, 1, 1, 1)
    high = torch.maximum(high + (1 - high) * draw.uniform(), low + 0.15)
    stretched = ((x - low) / (high - low)).clamp(0, 1)
    x = torch.where(draw.chance(0.75), stretched, x)
    x = x + (0.25 * draw.normal() + 0.12) * (x - 0.5) * (1 - (2 * x - 1).abs())
    lift = draw.sometimes(0.4, draw.uniform(0, 0.08), 0)
    x = lift + (1 - lift) * x
    grey = luma(x)
    saturation = torch.where(draw.chance(0.07), 0, draw.uniform(0.5, 1.5))
    return grey + saturation * (x - grey)


def overlay(x: Tensor, disparity: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Captions, logos, falling snow, black bars: none of them is a thing in the scene. Bars are far away."""
    n, _, height, width = x.shape
    y = torch.linspace(0, 1, height, device=x.device).view(1, 1, -1, 1)
    across = torch.linspace(0, 1, width, device=x.device).view(1, 1, 1, -1)

    glyphs = torch.rand(n, 1, height // 2, width // 2, device=x.device)
    words = F.interpolate(torch.rand(n, 1, height // 2, width // 16, device=x.device), size=glyphs.shape[2:])
    ink = F.interpolate(((glyphs < 0.55) & (words < 0.8)).to(x.dtype), size=(height, width))
    line = ((y * draw.uniform(14, 30)) % 1 < 0.6).to(x.dtype)
    top, tall, half = draw.uniform(0.05, 0.92), draw.uniform(0.04, 0.12), draw.uniform(0.1, 0.45)
    top = torch.where(draw.chance(0.7), draw.uniform(0.78, 0.9), top)
    middle = torch.where(draw.chance(0.7), 0.5, draw.uniform(0.15, 0.85))
    inside = (y > top) & (y < top + tall) & ((across - middle).abs() < half) & draw.chance(0.08)
    text = ink * line * inside
    board = inside & draw.chance(0.3)
    x = torch.where(board, x * 0.25, x)
    x = x + (torch.where(draw.chance(0.8), 0.95, draw.uniform(0, 1, 3)) - x) * text

    flakes = torch.rand(n, 1, height, width, device=x.device) > draw.uniform(0.99, 0.9995)
    flakes = F.avg_pool2d(flakes.to(x.dtype), 3, 1, 1) * draw.uniform(2, 8)
    x = x + (0.95 - x) * (flakes * draw.chance(0.03)).clamp(0, 0.9)

    bar = draw.uniform(0.04, 0.18)
    wide = torch.minimum(y, 1 - y) < bar
    tall_ = torch.minimum(across, 1 - across) < bar
    black = torch.where(draw.chance(0.5), wide, tall_) & draw.chance(0.04)
    return torch.where(black, draw.uniform(0, 0.06), x), torch.where(black[:, 0], 0, disparity)


def noise(x: Tensor, draw: Draw) -> Tensor:
    strength = torch.exp(math.log(0.002) + draw.uniform() ** 2.5 * math.log(22)) * (0.4 + x.clamp(0, 1)).sqrt()
    grain = torch.randn_like(x)
    coarse = 2 * F.avg_pool2d(grain, 3, 1, 1)
    return (x + strength * torch.where(draw.chance(0.4), coarse, grain)).clamp(0, 1)


def jpeg(x: Tensor) -> Tensor:
    """Quantised 8x8 cosine transforms, colour twice as coarse. Sides are multiples of 8."""
    draw = Draw(x)
    n, _, height, width = x.shape
    k = torch.arange(8, device=x.device, dtype=x.dtype)
    cosines = 0.5 * torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16)
    cosines[0] *= 2**-0.5
    table = torch.tensor(JPEG_TABLE, device=x.device, dtype=x.dtype).view(8, 8) / 255
    table = table * torch.tensor([1.0, 2.0, 2.0], device=x.device).view(3, 1, 1, 1, 1)
    table = table * torch.exp(draw.uniform(math.log(0.1), math.log(1.2)))[..., None, None]
    y = luma(x)
    blocks = torch.cat([y - 0.5, 0.564 * (x[:, 2:] - y), 0.713 * (x[:, :1] - y)], 1)
    blocks = blocks.view(n, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    blocks = cosines @ blocks @ cosines.T
    blocks = cosines.T @ (torch.round(blocks / table) * table) @ cosines
    y, blue, red = blocks.transpose(3, 4).reshape(n, 3, height, width).split(1, 1)
    y, red, blue = y + 0.5, y + 0.5 + red / 0.713, y + 0.5 + blue / 0.564
    return torch.cat([red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue], 1)


@torch.no_grad()
def degrade(colour: Tensor, disparity: Tensor, frames: int = 1) -> tuple[Tensor, Tensor]:
    """colour [n,3,H,W] linear light, disparity [n,H,W] -> pictures 0..1 in steps of 1/255, and what they show. With two
    frames [2n,...]: half of the second ones differ from the first ones in grain and codec alone."""
    colour, disparity = colour.repeat(frames, 1, 1, 1), disparity.repeat(frames, 1, 1)
    x = torch.nan_to_num(colour.float(), 0, 6, 0).clamp(0, 6)
    disparity = torch.nan_to_num(disparity, 0, 0, 0)
    draw = Draw(x)
    x = on_some(expose(x, draw), 0.25, defocus, disparity)
    x = develop(on_some(x, 0.45, lens), draw)
    x, disparity = overlay(x, disparity, draw)
    if frames == 2:
        n = len(x) // 2
        film = torch.rand(n, device=x.device) < 0.5
        x[n:] = torch.where(film[:, None, None, None], x[:n], x[n:])
        disparity[n:] = torch.where(film[:, None, None], disparity[:n], disparity[n:])
    x = on_some(noise(x, draw), 0.4, jpeg)
    return (x.clamp(0, 1) * 255).round() / 255, disparity
