"""What there is to train: a network, the scenes it learns from, and what it is held to."""

import pathlib

import numpy as np
import torch
from torch import Tensor, nn

from degrade import Draw, blur, degrade, develop, expose, noise, on_some
from generator import Generator
from losses import depth_loss
from network import DepthNet, FillNet, load_weights
from video import VideoTask
from warp import right_eye

COMMITTED = pathlib.Path(__file__).parents[2] / "models/builtin"
Shape = tuple[int, int]


class DepthTask:
    """One picture to inverse depth. Each scene is seen twice, half of them in two frames of one film (grain and codec
    differ), half in two photographs that share nothing but the scene: the difference of their depths is what
    flickers, and is part of the loss."""

    name = "depth"
    network = DepthNet
    layout = torch.channels_last
    parts = ("shape", "scale", "edges", "twins")
    # The program's inputs for 16:9, 4:3, larger and upright video; one for each process, in turn.
    shapes = [(192, 336), (192, 256), (256, 448), (336, 192), (192, 336), (192, 256)]
    pixels = 64 * 192 * 320  # of a step of one process
    pictures = 2  # of a scene in a step
    reuse = 6  # of a rendered scene
    twins = 0.4

    def __init__(self, device: torch.device):
        pass

    def render(self, generator: Generator, seeds: np.ndarray, shape: Shape) -> tuple[Tensor, ...]:
        height, width = shape
        views = generator.render(generator.scenes(seeds, np.zeros(len(seeds)), width / height), height, width)
        return views.colour, views.disparity

    def losses(self, forward: nn.Module, colour: Tensor, disparity: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
        """(what is minimised, its parts)"""
        if mirrored:
            colour, disparity = colour.flip(-1), disparity.flip(-1)
        picture, disparity = degrade(colour, disparity, frames=2)
        with torch.autocast(picture.device.type, torch.bfloat16, enabled=picture.is_cuda):
            prediction = forward(picture)
        prediction = prediction.float()
        shape, scale, edge = depth_loss(prediction, disparity)
        first, second = prediction.chunk(2)
        twins = (first - second).abs().mean()
        return shape + scale + edge + self.twins * twins, torch.stack([shape, scale, edge, twins])


class FillTask:
    """Background extension to a filled right eye. A scene is seen by both eyes at two moments, a frame apart: what is
    filled must be near the truth, look like it to the depth network's first layers, and change as it does."""

    name = "fill"
    network = FillNet
    layout = torch.channels_last
    parts = ("colour", "features", "change")
    shapes = [(192, 320), (384, 640)]
    pixels = 96 * 192 * 320
    pictures = 2
    reuse = 6
    full = 192  # larger pictures are shrunk to this height for the network
    features, change, squares = 0.02, 0.5, 4.0  # weights: each of the size of the colour error, or half of it

    def __init__(self, device: torch.device):
        self.judge = DepthNet().to(device, memory_format=torch.channels_last).requires_grad_(False)
        load_weights(COMMITTED / "depth.safetensors", self.judge)

    def render(self, generator: Generator, seeds: np.ndarray, shape: Shape) -> tuple[Tensor, ...]:
        """(colour [n,2 moments,2 eyes,3,H,W], the left eye's disparity [n,2,H,W] in pixels)"""
        height, width = shape
        n, random = len(seeds), np.random.default_rng(seeds[0])
        moments = np.tile(np.array([0.0, 0.04]), n)
        scenes = generator.scenes(np.repeat(seeds, 2), moments, width / height)
        # A part of a larger picture: its surfaces are as smooth, its holes as wide as there.
        zoom = torch.from_numpy(np.exp(random.uniform(np.log(0.35), 0.35, n)).clip(max=1)).float()
        generator.zoom(scenes, zoom.repeat_interleave(2).to(scenes.device))
        first = generator.render(scenes[::2].contiguous(), height, width, grid=1).disparity
        near = first.flatten(1).sort(1)[0][:, int(0.97 * height * width)].clamp_min(1e-4)
        # Up to 0.08 of the whole: a larger picture's holes are as much wider, in pixels, and the network works on pixels.
        widest = torch.from_numpy(np.exp(random.uniform(np.log(0.01), np.log(0.08), n))).float()
        widest = (widest / zoom).clamp(max=0.15).to(near.device) * width
        per_metre = width / (2 * generator.tan_x(scenes[::2]))  # pixels of disparity a metre of eye and of 1 / depth
        eye = (widest / per_metre / near).repeat_interleave(2)
        which = torch.arange(2 * n, device=near.device).repeat_interleave(2)
        eyes = torch.stack([torch.zeros_like(eye), eye], 1).flatten()
        views = generator.render(scenes, height, width, which, eyes)
        disparity = views.disparity[::2] * (eye * per_metre.repeat_interleave(2))[:, None, None]
        return views.colour.view(n, 2, 2, 3, height, width), disparity.view(n, 2, height, width)

    def losses(self, forward: nn.Module, colour: Tensor, disparity: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
        """(what is minimised, its parts)"""
        n, _, _, _, height, width = colour.shape
        if mirrored:  # upside down: left and right are not alike
            colour, disparity = colour.flip(-2), disparity.flip(-2)
        with torch.no_grad():
            # One exposure and one grading for all four views, which lie side by side.
            film = colour.float().permute(0, 3, 4, 1, 2, 5).reshape(n, 3, height, 4 * width)
            film = torch.nan_to_num(film, 0, 6, 0).clamp(0, 6)
            draw = Draw(film)
            film = on_some(develop(expose(film, draw), draw).clamp(0, 1), 0.5, blur, sigma=1.0)
            film = film.view(n, 3, height, 2, 2, width).permute(3, 4, 0, 1, 2, 5)
            left, right = (film[:, eye].reshape(2 * n, 3, height, width) for eye in (0, 1))
            disparity = disparity.transpose(0, 1).reshape(2 * n, height, width)
            coarse = nn.functional.avg_pool2d(disparity[:, None], 3, 1, 1)[:, 0]  # depth's edges are not exact
            disparity = torch.where(draw.chance(0.5).view(1, n, 1, 1), coarse.view(2, n, height, width),
                                    disparity.view(2, n, height, width)).flatten(0, 1)
            grainy = on_some(left, 0.5, lambda x: noise(x, Draw(x)))
            filled, behind, _, mask = right_eye(grainy, disparity)
            hole = mask.float()
        with torch.autocast(left.device.type, torch.bfloat16, enabled=left.is_cuda):
            made = forward(filled, hole, behind / width, max(1, height // self.full))
        made = made.float()
        area = hole.sum().clamp_min(1)
        miss = (made - right) * hole[:, None]
        colour_loss = (miss.abs() + self.squares * miss**2).sum() / area / 3
        truth = filled + (right - filled) * hole[:, None]
        both = self.judge.inputs(torch.cat([made, truth]))
        with torch.autocast(left.device.type, torch.bfloat16, enabled=left.is_cuda):
            _, skips = self.judge.encode(both)
        features = sum((a - b).float().abs().sum() / a.shape[1] / b.float().abs().mean().clamp_min(1e-3) * 4 ** (k + 1)
                       for k, (a, b) in enumerate(s.chunk(2) for s in skips[:2])) / area
        before, after = miss.chunk(2)
        shared = hole[:n] * hole[n:]
        change = ((after - before) * shared[:, None]).abs().sum() / shared.sum().clamp_min(1) / 3
        parts = torch.stack([colour_loss, features, change])
        return colour_loss + self.features * features + self.change * change, parts


TASKS = {task.name: task for task in (DepthTask, FillTask, VideoTask)}
