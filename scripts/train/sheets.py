"""Contact sheets: rows of pictures, disparity as heat."""

import pathlib

import numpy as np
import torch
from PIL import Image


def tone(colour: torch.Tensor) -> torch.Tensor:
    """[n,3,H,W] linear light to 0..1 as a camera would expose it, without the faults of a camera."""
    x = colour.float()
    level = x.mean(1).flatten(1).quantile(0.6, dim=1)[:, None, None, None]
    x = x * (0.25 / (level + 1e-3))
    return (x / (1 + 0.3 * x)).clamp(0, 1) ** (1 / 2.2)


def heat(disparity: torch.Tensor) -> torch.Tensor:
    """[n,H,W] to [n,3,H,W]: dark far, bright near; the span of each picture without its extremes."""
    flat = disparity.float().flatten(1)
    # quantile() has a limit on its input's size that pictures exceed
    ranked = flat.sort(1)[0]
    low, high = ranked[:, int(0.02 * flat.shape[1])], ranked[:, int(0.98 * flat.shape[1])]
    x = ((disparity.float() - low[:, None, None]) / (high - low + 1e-6)[:, None, None]).clamp(0, 1)
    ramp = torch.tensor([[0, 0, 0.02], [0.34, 0.06, 0.43], [0.74, 0.22, 0.33], [0.98, 0.56, 0.04], [0.99, 1, 0.64]],
                        device=x.device)
    at = x * (len(ramp) - 1)
    below = at.long().clamp(max=len(ramp) - 2)
    part = (at - below)[..., None]
    return (ramp[below] * (1 - part) + ramp[below + 1] * part).permute(0, 3, 1, 2)


def save_sheet(path: str | pathlib.Path, rows: list[torch.Tensor]) -> None:
    """Each row is [n,3,H,W] in 0..1, all of one size."""
    sheet = torch.cat([torch.cat(list(row.float().cpu()), -1) for row in rows], -2)
    Image.fromarray((sheet.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()).save(path)
