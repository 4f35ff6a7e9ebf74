"""What the depth network is held to, and how good it is. Predictions and disparities are [n,H,W]."""

import torch
import torch.nn.functional as F
from torch import Tensor


def ranked(x: Tensor, step: int) -> Tensor:
    """A sample of each picture's values in ascending order."""
    return x[:, step // 2 :: step, step // 2 :: step].flatten(1).float().sort(1)[0]


def target_of(disparity: Tensor) -> Tensor:
    """0 for the sky, 1 at the 97th percentile: a scale that a network can learn to find by itself."""
    values = ranked(disparity, 4)
    near = values[:, int(0.97 * values.shape[1])].clamp_min(1e-6)
    return (disparity / near[:, None, None]).clamp(0, 1.6)


def normalised(x: Tensor) -> Tensor:
    """Median 0, mean deviation 1; the deviation without the extremes, or a few pixels would set the scale.
    Clamping the error instead leaves such pixels unpunished, and they end up in a corner of every picture."""
    order = x[:, 1::3, 1::3].flatten(1).sort(1)[0]
    count = order.shape[1]
    low, high = (order[:, int(part * count), None].detach() for part in (0.02, 0.98))
    middle = order[:, (count - 1) // 2, None, None]
    spread = (torch.minimum(torch.maximum(order, low), high) - middle[:, 0]).abs().mean(1)[:, None, None]
    return (x - middle) / (spread + 2e-2)


def edges(error: Tensor, scales: int = 4) -> Tensor:
    """Mean gradient of the error at several scales: edges where they belong, flat where it is flat."""
    total = error.new_zeros(())
    for i in range(scales):
        e = error if i == 0 else F.avg_pool2d(error[:, None], 2**i)[:, 0]
        total = total + (e[:, :, 1:] - e[:, :, :-1]).abs().mean() + (e[:, 1:] - e[:, :-1]).abs().mean()
    return total / scales


def depth_loss(prediction: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(scale-and-shift-invariant L1, weighted L1 in the target's own scale, edges)"""
    prediction, target = prediction.float(), target_of(disparity)
    error = normalised(prediction) - normalised(target)
    # Far things count more: a ratio of depths is wrong there by little disparity.
    off = (prediction - target).abs() * (0.5 + 0.25 / (target + 0.15))
    return error.abs().mean(), off.mean(), edges(error)


def fit(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """prediction with each picture's best scale and shift (least squares where valid)."""
    weight = valid.float().flatten(1)
    p, t = prediction.float().flatten(1), target.float().flatten(1)
    total = weight.sum(1, keepdim=True).clamp_min(1)
    mean_p, mean_t = (weight * p).sum(1, keepdim=True) / total, (weight * t).sum(1, keepdim=True) / total
    scale = (weight * (p - mean_p) * (t - mean_t)).sum(1, keepdim=True)
    scale = scale / (weight * (p - mean_p) ** 2).sum(1, keepdim=True).clamp_min(1e-9)
    return (scale * (p - mean_p) + mean_t).view_as(prediction)


def order_of(prediction: Tensor, target: Tensor, valid: Tensor, pairs: int = 5000) -> float:
    """Share of point pairs, apart by 5 % of the span or more, that are in the right order."""
    random = torch.Generator(device="cpu").manual_seed(1)
    shares = []
    for p, t, v in zip(prediction, target, valid):
        p, t = p[v], t[v]
        i, j = torch.randint(len(t), (2, pairs), generator=random).to(t.device)
        apart = (t[i] - t[j]).abs() > 0.05 * (t.max() - t.min())
        right = ((p[i] - p[j]) * (t[i] - t[j]) > 0) & apart
        equal = (p[i] == p[j]) & apart
        shares.append(((right.sum() + 0.5 * equal.sum()) / apart.sum().clamp_min(1)).item())
    return sum(shares) / len(shares)


def edge_accuracy(prediction: Tensor, target: Tensor, valid: Tensor) -> float:
    """F1 of depth edges (jumps of 8 % of the span between neighbours), a pixel of tolerance."""

    def jumps(x: Tensor) -> Tensor:
        span = ranked(x, 4)
        span = (span[:, int(0.97 * span.shape[1])] - span[:, int(0.03 * span.shape[1])])[:, None, None]
        across, down = F.pad((x[:, :, 1:] - x[:, :, :-1]).abs(), (0, 1)), F.pad((x[:, 1:] - x[:, :-1]).abs(), (0, 0, 0, 1))
        return torch.maximum(across, down) > 0.08 * span

    def near(x: Tensor) -> Tensor:
        return F.max_pool2d(x[:, None].float(), 3, 1, 1)[:, 0] > 0

    inner = F.max_pool2d((~valid)[:, None].float(), 5, 1, 2)[:, 0] == 0  # no edges of what was not measured
    p, t = jumps(prediction) & inner, jumps(target) & inner
    precision = (p & near(t)).sum() / p.sum().clamp_min(1)
    recall = (t & near(p)).sum() / t.sum().clamp_min(1)
    return (2 * precision * recall / (precision + recall).clamp_min(1e-6)).item()


def depth_scores(prediction: Tensor, disparity: Tensor, valid: Tensor) -> dict[str, float]:
    """The usual measures with scale and shift of disparity fitted to each picture, means over pictures."""
    fitted = fit(prediction, disparity, valid)
    weight = valid.float().flatten(1)
    count = weight.sum(1).clamp_min(1)
    # What is 30 times as far as the near things is as good as infinite: a ratio of depths says nothing there.
    near = disparity.flatten(1).sort(1)[0][:, int(0.97 * weight.shape[1]), None].clamp_min(1e-6)
    t, f = torch.maximum(disparity.flatten(1), near / 30), torch.maximum(fitted.flatten(1), near / 30)
    ratio = torch.maximum(f / t, t / f)
    mean = (weight * t).sum(1, keepdim=True) / count[:, None]
    residual = (weight * (fitted.flatten(1) - t) ** 2).sum(1) / (weight * (t - mean) ** 2).sum(1).clamp_min(1e-12)
    ssi, _, _ = depth_loss(prediction, torch.where(valid, disparity, fitted))
    return {"SSI-L1": ssi.item(), "AbsRel": ((weight * (t / f - 1).abs()).sum(1) / count).mean().item(),
            "delta1": ((weight * (ratio < 1.25)).sum(1) / count).mean().item(), "R2": (1 - residual).mean().item(),
            "order": order_of(prediction, disparity, valid), "edges": edge_accuracy(fitted, disparity, valid)}
