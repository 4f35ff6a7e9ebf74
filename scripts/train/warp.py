"""A right eye from a left one and its disparity, and how near it is to the true one. Pictures [n,3,H,W] in 0..1."""

import torch
import torch.nn.functional as F
from torch import Tensor


EDGE, REACH, SAME = 2, 4, 2.0  # as in kernels/cpu/fill.c


def shifted(x: Tensor, beyond: float) -> Tensor:
    """Each pixel's left neighbour."""
    return F.pad(x[:, :, :-1], (1, 0), value=beyond)


def background(landed: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Of the nearest pixels on either side of a hole the farther one's column, and its disparity."""
    width = landed.shape[2]
    column = torch.arange(width, device=landed.device).expand_as(landed)
    before = torch.where(hole, -1, column).cummax(2).values
    after = width - 1 - torch.where(hole, -1, width - 1 - column).flip(2).cummax(2).values.flip(2)
    from_left = torch.where(before >= 0, landed.gather(2, before.clamp(min=0)), 1e9)
    from_right = torch.where(after < width, landed.gather(2, after.clamp(max=width - 1)), 1e9)
    return torch.where(from_left < from_right, before, after).clamp(0, width - 1), torch.minimum(from_left, from_right)


def source_columns(disparity: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """For each pixel of the right eye the column of the left one that it shows, its disparity, the holes, what is
    filled (holes and the background's mixed edge), and its columns to the background, all [n,H,W]. Disparity is in
    pixels, nearer is larger. Holes show what is behind, continued (as kernels/cpu/fill.c in short)."""
    width = disparity.shape[2]
    column = torch.arange(width, device=disparity.device).expand_as(disparity)
    target = torch.round(column - disparity).long()
    inside = (target >= 0) & (target < width)
    landed = torch.full_like(disparity, -1e9)
    landed.scatter_reduce_(2, target.clamp(0, width - 1), torch.where(inside, disparity, -1e9), "amax")
    hole = landed < -1e8
    # One column of rounding is no hole: it lies between two pixels of one surface.
    left, right = shifted(landed, -1e9), shifted(landed.flip(2), -1e9).flip(2)
    crack = hole & (left > -1e8) & (right > -1e8) & ((left - right).abs() < 1.5)
    landed, hole = torch.where(crack, 0.5 * (left + right), landed), hole & ~crack
    _, behind = background(landed, hole)
    filled = hole
    for _ in range(EDGE):  # what is near moves left: its hole lies right of it, and the background right of that
        grown = shifted(filled, 0) & ~filled & (landed <= shifted(behind, -1e9) + SAME)
        behind = torch.where(grown, shifted(behind, 0), behind)
        filled = filled | grown
    edge, behind = background(landed, filled)
    # The background's mirror image keeps its texture, as long as it is background.
    mirror = (2 * edge - column).clamp(0, width - 1)
    there = landed.gather(2, mirror)
    source = torch.where((there - behind).abs() < 1, mirror + there, edge + behind)
    seen = torch.where(filled, behind, landed)
    return torch.where(filled, source, column + landed), seen, hole, filled, (column - edge).abs()


def soften(picture: Tensor, disparity: Tensor, filled: Tensor, distance: Tensor) -> Tensor:
    """What each row invents does not agree with its neighbours, the less the deeper in the hole: an average over
    background alone that widens with the distance from it."""
    limit = torch.where(filled, disparity + SAME, -1e9)
    limit = F.max_pool2d(limit[:, None], 2 * REACH + 1, 1, REACH)
    open_ = (disparity[:, None] <= limit).to(picture.dtype)
    reach = (distance // 2).clamp(max=REACH) * filled
    result = picture
    for radius in range(1, REACH + 1):
        sums = F.avg_pool2d(torch.cat([picture * open_, open_], 1), 2 * radius + 1, 1, radius)
        result = torch.where((reach == radius)[:, None], sums[:, :3] / sums[:, 3:].clamp_min(1e-6), result)
    return result


def right_eye(left: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(the right eye, its disparity, its holes, what is filled [n,H,W])"""
    _, _, height, width = left.shape
    column, seen, hole, filled, distance = source_columns(disparity)
    y = torch.linspace(-1, 1, height, device=left.device).view(1, -1, 1).expand_as(column)
    grid = torch.stack([2 * column / (width - 1) - 1, y], -1)
    picture = F.grid_sample(left, grid, padding_mode="border", align_corners=True)
    return soften(picture, seen, filled, distance), seen, hole, filled


def psnr(a: Tensor, b: Tensor, where: Tensor | None = None) -> float:
    """Mean over pictures, of the pixels `where` [n,H,W]."""
    error = ((a - b) ** 2).mean(1)
    weight = torch.ones_like(error) if where is None else where.float()
    mean = (error * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)
    used = weight.sum((1, 2)) > 0
    return (-10 * mean[used].clamp_min(1e-10).log10()).mean().item()


def ssim(a: Tensor, b: Tensor) -> float:
    """Wang et al. 2004, on luma, a Gaussian window of 1.5 pixels."""
    at = torch.arange(-5, 6, device=a.device, dtype=a.dtype)
    kernel = torch.exp(-(at**2) / 4.5)
    kernel = kernel / kernel.sum()

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))

    luma = torch.tensor([0.299, 0.587, 0.114], device=a.device).view(1, 3, 1, 1)
    x, y = (a * luma).sum(1, keepdim=True), (b * luma).sum(1, keepdim=True)
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    one, two = 0.01**2, 0.03**2
    return (((2 * mx * my + one) * (2 * cov + two)) / ((mx**2 + my**2 + one) * (vx + vy + two))).mean().item()


def siou(made: Tensor, right: Tensor, left: Tensor) -> float:
    """0.75 IoU of edges + 0.25 IoU of where an eye differs from the left one, after Mono2Stereo's measure, whose Canny
    edges are plain gradients here: numbers compare with each other, not with published ones."""

    def edges(x: Tensor) -> Tensor:
        y = x.mean(1)
        return F.pad((y[:, :, 1:] - y[:, :, :-1]).abs(), (0, 1)) + F.pad((y[:, 1:] - y[:, :-1]).abs(), (0, 0, 0, 1)) > 0.08

    def iou(a: Tensor, b: Tensor) -> Tensor:
        return (a & b).sum() / (a | b).sum().clamp_min(1)

    moved = [(x - left).abs().mean(1) > 0.02 for x in (made, right)]
    return (0.75 * iou(edges(made), edges(right)) + 0.25 * iou(*moved)).item()


def match(left: Tensor, right: Tensor, low: int, high: int) -> tuple[Tensor, Tensor]:
    """Disparity of left by block matching, and where it can be trusted: both directions agree, there is texture."""

    def best(a: Tensor, b: Tensor, sign: int) -> tuple[Tensor, Tensor]:
        costs = []
        for d in range(low, high + 1):
            difference = (a - torch.roll(b, sign * d, -1)).abs().mean(1, keepdim=True).clamp(max=0.15)
            costs.append(F.avg_pool2d(difference, 11, 1, 5, count_include_pad=False)[:, 0])
        cost = torch.stack(costs, 1)
        least, index = cost.min(1)
        around = [cost.gather(1, (index + k).clamp(0, len(costs) - 1)[:, None])[:, 0] for k in (-1, 1)]
        bend = (around[0] + around[1] - 2 * least).clamp_min(1e-6)
        return index + low + (0.5 * (around[0] - around[1]) / bend).clamp(-0.5, 0.5), cost.mean(1) - least

    forward, texture = best(left, right, 1)
    backward, _ = best(right, left, -1)
    column = torch.arange(left.shape[-1], device=left.device) - forward
    there = backward.gather(2, column.round().long().clamp(0, left.shape[-1] - 1))
    return forward, ((forward - there).abs() < 1) & (texture > 0.02) & (column >= 0)
