#!/usr/bin/env python3
"""Writes tests/golden/data/quick: inputs and outputs of the built-in networks, computed by PyTorch in float64.

    make_golden_quick.py models/builtin/depth.safetensors tests/golden/data/quick

The networks are defined here a second time, from their description in models/builtin/README.md, so that the C code is
checked against an independent reading of it. landscape.bin and portrait.bin hold int32 h, int32 w, then h*w*3 bytes of
RGB and h*w float32 of inverse depth. hole.bin is of a network for holes with random weights and widths and depths of its
own, fill.safetensors: after RGB h*w bytes of holes, h*w of disparity in 1/5100 of the width, then h*w*3 float32 of change.
"""

import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

SIZES = {"landscape": (48, 64), "portrait": (96, 64)}
HEADS = 6
HOLE_SIZE = (40, 56)
HOLE_WIDTHS, HOLE_BLOCKS, HOLE_MIDDLE = (8, 12, 18), (1, 2), 3


class Network:
    def __init__(self, weights):
        self.weights = {name: value.double() for name, value in weights.items()}

    def conv(self, name, x, stride=1):
        weight = self.weights[name + ".weight"]
        if weight.ndim == 2:
            weight = weight[:, :, None, None]
        return F.conv2d(x, weight, self.weights[name + ".bias"], stride, weight.shape[-1] // 2)

    def norm(self, name, x):
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return F.layer_norm(x.movedim(1, -1), weight.shape, weight, bias, 1e-5).movedim(-1, 1)

    def residual(self, name, x):
        h = F.silu(self.conv(name + ".conv1", self.norm(name + ".norm1", x)))
        skip = self.conv(name + ".skip", x) if name + ".skip.weight" in self.weights else x
        return skip + self.conv(name + ".conv2", h)

    def attention(self, name, x):
        n, c, h, w = x.shape
        qkv = self.conv(name + ".qkv", self.norm(name + ".norm1", x))
        q, k, v = qkv.reshape(n, 3, HEADS, c // HEADS, h * w).transpose(-1, -2).unbind(1)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(n, c, h, w)
        x = x + self.conv(name + ".out", mixed)
        hidden = F.gelu(self.conv(name + ".fc1", self.norm(name + ".norm2", x)))
        return x + self.conv(name + ".fc2", hidden)

    def blocks(self, prefix, x):
        names = sorted({".".join(name.split(".")[: prefix.count(".") + 2]) for name in self.weights
                        if name.startswith(prefix + ".")})
        for name in names:
            x = (self.attention if name + ".qkv.weight" in self.weights else self.residual)(name, x)
        return x

    def depth(self, rgb):
        h, w = rgb.shape[2:]
        y = torch.linspace(-1, 1, h, dtype=rgb.dtype)[None, None, :, None].expand(1, 1, h, w)
        x = torch.linspace(-1, 1, w, dtype=rgb.dtype)[None, None, None, :].expand(1, 1, h, w)
        return self.run(torch.cat([2 * rgb - 1, y, x], 1))

    def fill(self, rgb, hole, widths):
        return self.run(torch.cat([2 * rgb - 1, hole, 20 * widths], 1))

    def run(self, x):
        levels = [level for level in "1234" if f"down.{level}.weight" in self.weights]
        x = self.conv("stem", x, stride=2)
        skips = []
        for level in levels:
            x = self.blocks("encoder." + level, x)
            skips.append(x)
            x = self.conv("down." + level, x, stride=2)
        x = self.blocks("middle", x)
        for level in reversed(levels):
            up = F.interpolate(self.conv("up." + level, x), scale_factor=2.0, mode="nearest")
            x = self.blocks("decoder." + level, torch.cat([up, skips.pop()], 1))
        x = F.silu(self.conv("head.conv1", self.norm("head.norm", x)))
        return F.pixel_shuffle(self.conv("head.conv2", x), 2)


def picture(h, w):
    """A floor, a wall and a ball with some texture: structure at several scales, the same on every machine."""
    y, x = np.mgrid[0:h, 0:w] / np.array([h, w]).reshape(2, 1, 1)
    rgb = np.stack([0.3 + 0.4 * y, 0.5 - 0.2 * x, 0.6 - 0.3 * y], -1)
    rgb += 0.1 * np.sin(40 * x * (1 + y))[..., None] * (y > 0.55)[..., None]
    ball = ((x - 0.4) * w) ** 2 + ((y - 0.6) * h) ** 2 < (0.2 * min(h, w)) ** 2
    rgb[ball] = np.array([0.9, 0.4, 0.2]) * (1.2 - y[ball] - 0.3 * x[ball])[:, None]
    return (rgb.clip(0, 1) * 255).round().astype(np.uint8)


def random_fill():
    """Weights of a network for holes that keep the size of what passes through."""
    torch.manual_seed(3)
    weights = {}

    def layer(name, inputs, outputs, size=3):
        shape = (outputs, inputs, size, size) if size > 1 else (outputs, inputs)
        weights[name + ".weight"] = torch.randn(shape) / (inputs * size * size) ** 0.5
        weights[name + ".bias"] = 0.1 * torch.randn(outputs)

    def norm(name, width):
        weights[name + ".weight"], weights[name + ".bias"] = 1 + 0.1 * torch.randn(width), 0.1 * torch.randn(width)

    def residual(name, inputs, outputs):
        norm(name + ".norm1", inputs)
        layer(name + ".conv1", inputs, outputs)
        layer(name + ".conv2", outputs, outputs)
        if inputs != outputs:
            layer(name + ".skip", inputs, outputs, 1)

    layer("stem", 5, HOLE_WIDTHS[0])
    for level, (width, deeper, count) in enumerate(zip(HOLE_WIDTHS, HOLE_WIDTHS[1:], HOLE_BLOCKS), 1):
        for i in range(count):
            residual(f"encoder.{level}.{i}", width, width)
            residual(f"decoder.{level}.{i}", width if i else 2 * width, width)
        layer(f"down.{level}", width, deeper)
        layer(f"up.{level}", deeper, width, 1)
    for i in range(HOLE_MIDDLE):
        residual(f"middle.{i}", HOLE_WIDTHS[-1], HOLE_WIDTHS[-1])
    norm("head.norm", HOLE_WIDTHS[0])
    layer("head.conv1", HOLE_WIDTHS[0], HOLE_WIDTHS[0])
    layer("head.conv2", HOLE_WIDTHS[0], 12)
    return {name: value.half() for name, value in weights.items()}


def write_hole(folder):
    weights, (h, w) = random_fill(), HOLE_SIZE
    save_file(weights, folder / "fill.safetensors")
    rgb = picture(h, w)
    hole = np.zeros((h, w, 1), np.uint8)
    hole[:, 30:37] = 255
    hole[20:, 37] = 100
    widths = np.linspace(0, 255, h * w).round().astype(np.uint8).reshape(h, w, 1)
    inputs = [torch.from_numpy(a / s).permute(2, 0, 1)[None] for a, s in ((rgb, 255.0), (hole, 255.0), (widths, 5100.0))]
    with torch.no_grad():
        change = Network(weights).fill(*inputs)[0].permute(1, 2, 0).numpy()
    data = struct.pack("<2i", h, w) + rgb.tobytes() + hole.tobytes() + widths.tobytes() + change.astype("<f4").tobytes()
    (folder / "hole.bin").write_bytes(data)
    print(f"hole: {h}x{w}, change {change.min():.4f}..{change.max():.4f}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    network, folder = Network(load_file(sys.argv[1])), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    write_hole(folder)
    for name, (h, w) in SIZES.items():
        rgb = picture(h, w)
        with torch.no_grad():
            disp = network.depth(torch.from_numpy(rgb / 255.0).permute(2, 0, 1)[None])[0, 0].numpy()
        data = struct.pack("<2i", h, w) + rgb.tobytes() + disp.astype("<f4").tobytes()
        (folder / f"{name}.bin").write_bytes(data)
        print(f"{name}: {h}x{w}, disparity {disp.min():.4f}..{disp.max():.4f}")


if __name__ == "__main__":
    main()
