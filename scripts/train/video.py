"""The built-in video VAE: a small one of the causal kind, with the names under which src/nets/vae3d.c loads its layers.

A film that passes through it need not fit into memory: where it goes in tiles, a tile must become what it would have
become in the whole picture. So some of what is learnt from is decoded from a part of the whole picture's latents, the
rest is a tile from the start."""

import pathlib
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degrade import Draw, develop, expose, lens, noise, on_some
from generator import Generator
from sheets import save_sheet

WIDTHS, LAYERS, LATENTS, GROUPS, TEMPORAL = (64, 64, 64, 64), 1, 16, 32, 2
FRAMES, SCALE, TILE = 9, 8, 128  # of a clip; pixels of a latent; pixels of a tile
FRESH = 1 << 40  # seeds from here on are not for training


class Conv(nn.Conv3d):
    """[n,c,t,h,w] over three frames, none of them a later one; before the first stand copies of it."""

    def __init__(self, inputs: int, outputs: int, taps: int = 3, size: int = 3, down: bool = False):
        padding = 0 if down else size // 2
        stride = (2 if taps == 3 else 1, 2, 2) if down else 1
        super().__init__(inputs, outputs, (taps, size, size), stride, (0, padding, padding))
        self.taps, self.down = taps, down

    def forward(self, x: Tensor) -> Tensor:
        if self.taps == 3:
            x = torch.cat([x[:, :, :1], x[:, :, :1], x], 2)
        return super().forward(F.pad(x, (0, 1, 0, 1)) if self.down else x)


class Normed(torch.autograd.Function):
    """Group norm within a frame, and SiLU, of [n,c,t,h,w]. By hand: what autograd would keep of it fills the memory, and
    channels come last, so that sums over a picture are those of each channel, joined by groups afterwards."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, silu: bool) -> Tensor:
        n, c, t, h, w = x.shape
        size = h * w * c // GROUPS
        mean = x.sum((3, 4), dtype=torch.float32).view(n, GROUPS, -1, t).sum(2) / size
        square = torch.linalg.vector_norm(x, dim=(3, 4), dtype=torch.float32) ** 2
        variance = square.view(n, GROUPS, -1, t).sum(2) / size - mean**2
        mean, rstd = (v.repeat_interleave(c // GROUPS, 1) for v in (mean, (variance.clamp_min(0) + 1e-6).rsqrt()))
        scale = rstd * weight[:, None]
        shift = bias[:, None] - mean * scale
        ctx.save_for_backward(x, weight, mean, rstd, scale, shift)
        ctx.silu = silu
        y = (x * scale[..., None, None]).add_(shift[..., None, None])  # in the layout of x
        return (F.silu(y) if silu else y).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, rstd, scale, shift = ctx.saved_tensors
        n, c, t, h, w = x.shape
        size = h * w * c // GROUPS
        dy = gradient.to(scale.dtype)
        if ctx.silu:
            y = (x * scale[..., None, None]).add_(shift[..., None, None])  # in the layout of x
            dy = torch.ops.aten.silu_backward(dy, y)
        first = dy.sum((3, 4))
        second = ((dy * x).sum((3, 4)) - mean * first) * rstd
        flat, tilted = ((weight[:, None] * v).view(n, GROUPS, -1, t).sum(2).repeat_interleave(c // GROUPS, 1) / size
                        for v in (first, second))
        slope = -(rstd**2) * tilted
        dx = (x * slope[..., None, None]).add_((-mean * slope - rstd * flat)[..., None, None])
        dx = dx.addcmul_(dy, scale[..., None, None])
        return dx.to(x.dtype), second.sum((0, 2)), first.sum((0, 2)), None


class Norm(nn.Module):
    """Groups of channels of one frame."""

    def __init__(self, width: int, silu: bool = True):
        super().__init__()
        self.weight, self.bias, self.silu = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width)), silu

    def forward(self, x: Tensor) -> Tensor:
        return Normed.apply(x, self.weight, self.bias, self.silu)


def quiet(layer: nn.Module) -> nn.Module:
    """The last layer of a block: zero at first, so that a block begins as nothing."""
    nn.init.zeros_(layer.weight)
    return layer


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1, self.conv1 = Norm(inputs), Conv(inputs, outputs)
        self.norm2, self.conv2 = Norm(outputs), quiet(Conv(outputs, outputs))
        if inputs != outputs:
            self.conv_shortcut = Conv(inputs, outputs, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(self.norm2(self.conv1(self.norm1(x))))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Attention(nn.Module):
    """Of a frame's places, one head."""

    def __init__(self, width: int):
        super().__init__()
        self.group_norm = Norm(width, silu=False)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([quiet(nn.Linear(width, width))])

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, h, w = x.shape
        tokens = self.group_norm(x).permute(0, 2, 3, 4, 1).reshape(n * t, 1, h * w, c)
        y = F.scaled_dot_product_attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens))
        return x + self.to_out[0](y).view(n, t, h, w, c).permute(0, 4, 1, 2, 3)


class Middle(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.resnets = nn.ModuleList([Residual(width, width), Residual(width, width)])
        self.attentions = nn.ModuleList([Attention(width)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Down(nn.Module):
    """A level of the encoder: `taps` of the convolution that leaves it, 0 for the last."""

    def __init__(self, inputs: int, width: int, taps: int):
        super().__init__()
        self.resnets = nn.ModuleList([Residual(width if i else inputs, width) for i in range(LAYERS)])
        self.downsamplers = nn.ModuleList()
        if taps:
            self.downsamplers.append(nn.ModuleDict({"conv": Conv(width, width, taps, down=True)}))

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        for down in self.downsamplers:
            x = down["conv"](x)
        return x


class Up(nn.Module):
    """A level of the decoder: what leaves it has `frames` times as many frames, 0 for the last."""

    def __init__(self, inputs: int, width: int, frames: int):
        super().__init__()
        self.resnets = nn.ModuleList([Residual(width if i else inputs, width) for i in range(LAYERS + 1)])
        self.upsamplers, self.frames = nn.ModuleList(), frames
        if frames:
            upscale = Conv(width, 4 * frames * width, 1, 1)
            self.upsamplers.append(nn.ModuleDict({"upscale_conv": upscale, "conv": Conv(width, width)}))

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        for up in self.upsamplers:
            n, c, t, h, w = x.shape
            y = up["upscale_conv"](x).view(n, 2, 2, self.frames, c, t, h, w).permute(0, 4, 5, 3, 6, 1, 7, 2)
            y = y.reshape(n, c, t * self.frames, 2 * h, 2 * w)
            if self.frames == 2:  # the first frame alone stays one
                y = torch.cat([y[:, :, :1], y[:, :, 2:]], 2)
            x = up["conv"](y.contiguous(memory_format=torch.channels_last_3d))
        return x


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        last = len(WIDTHS) - 1
        taps = [3 if i >= last - TEMPORAL else 1 for i in range(last)] + [0]
        self.conv_in = Conv(3, WIDTHS[0])
        self.down_blocks = nn.ModuleList(map(Down, (WIDTHS[0], *WIDTHS), WIDTHS, taps))
        self.mid_block = Middle(WIDTHS[-1])
        self.conv_norm_out, self.conv_out = Norm(WIDTHS[-1]), Conv(WIDTHS[-1], 2 * LATENTS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(self.conv_norm_out(self.mid_block(x)))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = WIDTHS[::-1]
        frames = [2 if i < TEMPORAL else 1 for i in range(len(WIDTHS) - 1)] + [0]
        self.conv_in, self.mid_block = Conv(LATENTS, widths[0]), Middle(widths[0])
        self.up_blocks = nn.ModuleList(map(Up, (widths[0], *widths), widths, frames))
        self.conv_norm_out, self.conv_out = Norm(widths[-1]), Conv(widths[-1], 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(self.conv_norm_out(x))


class VideoNet(nn.Module):
    """[n,3,4k+1,H,W] in -1..1 -> [n,16,k+1,H/8,W/8] -> and back."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        nn.init.constant_(self.encoder.conv_out.bias[LATENTS:].detach(), -6)  # with noise of 1 nothing is learnt at first

    def forward(self, film: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(the film in these rows and columns of latents, mean and log variance of them all)"""
        mean, spread = self.encoder(film).float().chunk(2, 1)
        spread = spread.clamp(-20, 10)
        latents = mean + (0.5 * spread).exp() * torch.randn_like(mean) if self.training else mean
        return self.decoder(latents[..., rows[:, None], columns].to(film.dtype)), mean, spread


class VideoTask:
    """A film of a few frames to itself."""

    name = "vae"
    network = VideoNet
    layout = torch.channels_last_3d
    parts = ("colour", "edges", "latents")
    shapes = [(192, 320)]
    pixels = 8 * FRAMES * 192 * 320
    pictures = FRAMES
    reuse = 12  # of a rendered clip, of which each time another part is seen
    edges, squares, latents = 0.5, 3.0, 1e-6  # weights; the last keeps the latents near 1, and does no more

    def __init__(self, device: torch.device):
        pass

    def render(self, generator: Generator, seeds: np.ndarray, shape: tuple[int, int]) -> tuple[Tensor]:
        """colour [n,3,FRAMES,H,W]"""
        height, width = shape
        n, chance = len(seeds), np.random.default_rng(seeds[0])
        gap = np.exp(chance.uniform(np.log(0.01), np.log(0.08), n))  # seconds
        moments = (gap[:, None] * np.arange(FRAMES)).ravel()
        scenes = generator.scenes(np.repeat(seeds, FRAMES), moments, width / height)
        return (generator.render(scenes, height, width).colour.view(n, FRAMES, 3, height, width).transpose(1, 2),)

    @staticmethod
    @torch.no_grad()
    def film(colour: Tensor) -> Tensor:
        """Rendered light [n,3,t,H,W] as a camera's film 0..1: its frames lie side by side while it is developed."""
        n, _, t, height, width = colour.shape
        x = colour.float().permute(0, 1, 3, 2, 4).reshape(n, 3, height, t * width)
        x = torch.nan_to_num(x, 0, 6, 0).clamp(0, 6)
        draw = Draw(x)
        x = develop(on_some(expose(x, draw), 0.5, lens), draw).clamp(0, 1)
        x = on_some(x, 0.3, lambda y: noise(y, Draw(y)))
        return x.view(n, 3, height, t, width).permute(0, 1, 3, 2, 4)

    def losses(self, forward: nn.Module, colour: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
        """(what is minimised, its parts)"""
        film = self.film(colour.flip(-1) if mirrored else colour)
        top, left = (SCALE * random.randrange((side - min(TILE, side)) // SCALE + 1) for side in film.shape[3:])
        tile = film[..., top : top + TILE, left : left + TILE]
        whole = random.random() < 0.4
        seen = film if whole else tile
        rows, columns = (torch.arange(side // SCALE, device=film.device) + (at // SCALE if whole else 0)
                         for side, at in zip(tile.shape[3:], (top, left)))
        with torch.autocast(film.device.type, torch.bfloat16, enabled=film.is_cuda):
            made, mean, spread = forward((2 * seen - 1).contiguous(memory_format=self.layout), rows, columns)
        miss = (made.float() + 1) / 2 - tile
        edge = sum(miss.diff(dim=d).abs().mean() for d in (2, 3, 4))
        colour_loss = miss.abs().mean() + self.squares * (miss**2).mean()
        latents = 0.5 * (mean**2 + spread.exp() - 1 - spread).mean()
        loss = colour_loss + self.edges * edge + self.latents * latents
        return loss, torch.stack([miss.square().mean().log10() * -10, edge, latents])


@torch.no_grad()
def compare_films(networks: dict[str, VideoNet], generator: Generator, count: int, sheet: pathlib.Path) -> dict:
    """PSNR in dB of `count` pictures of fresh scenes."""
    task, rows = VideoTask(generator.device), []
    errors: dict[str, list[float]] = {name: [] for name in networks}
    torch.manual_seed(5)
    for begin in range(0, count // FRAMES, 8):
        seeds = np.arange(8, dtype=np.uint64) + FRESH + begin
        film = task.film(*task.render(generator, seeds, task.shapes[0]))
        places = (torch.arange(side // SCALE, device=film.device) for side in film.shape[3:])
        rows_of, columns_of = places
        shown = [film[:, :, -1]]
        for name, network in networks.items():
            made = network.eval()((2 * film - 1).contiguous(memory_format=task.layout), rows_of, columns_of)[0]
            made = ((made + 1) / 2).clamp(0, 1)
            errors[name] += ((made - film) ** 2).mean((1, 2, 3, 4)).tolist()
            shown.append(made[:, :, -1])
        rows += shown if begin < 24 else []
    save_sheet(sheet, rows)
    table = {name: {"PSNR": -10 * float(np.log10(np.mean(values)))} for name, values in errors.items()}
    print(f"{count} fresh pictures: {table}", flush=True)
    return table
