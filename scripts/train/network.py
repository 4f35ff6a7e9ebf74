"""The built-in networks in PyTorch. Their layers have the names under which src/nets/quick.c loads them."""

import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 6


class Norm(nn.LayerNorm):
    """Layer norm over channels of [n,c,h,w]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2)


def quiet(layer: nn.Conv2d) -> nn.Conv2d:
    """The last layer of a block: zero at first, so that a block begins as nothing and depth does no harm."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1, self.conv1, self.conv2 = Norm(inputs), conv(inputs, outputs), quiet(conv(outputs, outputs))
        self.skip = conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.conv2(F.silu(self.conv1(self.norm1(x))))


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.qkv, self.out = Norm(width), conv(width, 3 * width, 1), quiet(conv(width, width, 1))
        self.norm2, self.fc1, self.fc2 = Norm(width), conv(width, 4 * width, 1), quiet(conv(4 * width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm1(x)).permute(0, 2, 3, 1).reshape(n, h * w, 3, HEADS, c // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h, w, c).permute(0, 3, 1, 2)
        x = x + self.out(mixed)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Head(nn.Module):
    def __init__(self, width: int, outputs: int):
        super().__init__()
        self.norm, self.conv1, self.conv2 = Norm(width), conv(width, width), conv(width, 4 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv2(F.silu(self.conv1(self.norm(x)))), 2)


class UNet(nn.Module):
    """[n,inputs,H,W] -> [n,outputs,H,W], with widths at 1/2, 1/4 ... of the picture, whose sides divide so often."""

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...], encoder: tuple[int, ...],
                 decoder: tuple[int, ...], middle: int, attends: bool):
        super().__init__()
        pairs = [(str(i + 1), a, b) for i, (a, b) in enumerate(zip(widths, widths[1:]))]
        last = widths[-1]

        def blocks(count: int, first: int, width: int) -> nn.Sequential:
            return nn.Sequential(*(Residual(width if i else first, width) for i in range(count)))

        self.stem = conv(inputs, widths[0], 3, 2)
        self.encoder = nn.ModuleDict({l: blocks(k, a, a) for (l, a, _), k in zip(pairs, encoder)})
        self.down = nn.ModuleDict({l: conv(a, b, 3, 2) for l, a, b in pairs})
        self.middle = nn.Sequential(*(m for _ in range(middle)
                                      for m in (Residual(last, last), *([Attention(last)] if attends else []))))
        self.up = nn.ModuleDict({l: conv(b, a, 1) for l, a, b in pairs})
        self.decoder = nn.ModuleDict({l: blocks(k, 2 * a, a) for (l, a, _), k in zip(pairs, decoder)})
        self.head = Head(widths[0], outputs)

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        t = self.stem(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for level, encoder in self.encoder.items():
            t = encoder(t)
            skips.append(t)
            t = self.down[level](t)
        return t, skips

    def run(self, x: Tensor) -> Tensor:
        t, skips = self.encode(x)
        t = self.middle(t)
        for level in reversed(list(self.decoder)):
            t = F.interpolate(self.up[level](t), scale_factor=2.0, mode="nearest")
            t = self.decoder[level](torch.cat([t, skips.pop()], 1))
        return self.head(t)


class DepthNet(UNet):
    """[n,3,H,W] pictures in 0..1 -> [n,H,W] inverse depth up to scale and shift. Sides are multiples of 16."""

    def __init__(self) -> None:
        super().__init__(5, 1, (32, 64, 128, 192), (1, 2, 3), (1, 2, 2), 4, True)

    @staticmethod
    def inputs(picture: Tensor) -> Tensor:
        n, _, height, width = picture.shape
        y = torch.linspace(-1, 1, height, device=picture.device).view(1, 1, -1, 1).expand(n, 1, height, width)
        x = torch.linspace(-1, 1, width, device=picture.device).view(1, 1, 1, -1).expand(n, 1, height, width)
        return torch.cat([2 * picture - 1, y, x], 1)

    def forward(self, picture: Tensor) -> Tensor:
        return self.run(self.inputs(picture))[:, 0]


class FillNet(UNet):
    """Corrects background extension. filled [n,3,H,W] in 0..1, hole [n,H,W] 0..1, disparity [n,H,W] in widths, of the
    right eye -> pictures that differ from filled in holes alone. Seen at 1/shrink of their size, whose sides are
    multiples of 8, as the program does with large pictures."""

    def __init__(self) -> None:
        super().__init__(5, 3, (24, 48, 96), (1, 2), (1, 2), 4, False)
        quiet(self.head.conv2)  # at first the extension as it is

    def forward(self, filled: Tensor, hole: Tensor, disparity: Tensor, shrink: int = 1) -> Tensor:
        x = torch.cat([2 * filled - 1, hole[:, None], 20 * disparity[:, None]], 1)
        change = self.run(F.avg_pool2d(x, shrink))
        if shrink > 1:
            change = F.interpolate(change, scale_factor=float(shrink), mode="bilinear")
        return filled + hole[:, None] * change


def save_weights(path: pathlib.Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes fp16 safetensors; 1x1 convolutions as matrices. By hand: the format is a header and the bytes."""
    header: dict = {"__metadata__": metadata}
    payload, offset = [], 0
    for name, value in state.items():
        array = value.detach().float().cpu().numpy().astype("<f2")
        if array.ndim == 4 and array.shape[2:] == (1, 1):
            array = array[:, :, 0, 0]
        header[name] = {"dtype": "F16", "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        payload.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_suffix(".partial")
    partial.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(payload))
    partial.rename(path)


def load_weights(path: pathlib.Path, network: nn.Module) -> None:
    """Reads what save_weights() wrote."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    state = network.state_dict()
    for name, value in state.items():
        begin, end = header[name]["data_offsets"]
        array = np.frombuffer(body[begin:end], "<f2").reshape(value.shape)
        state[name] = torch.from_numpy(array.astype(np.float32))
    network.load_state_dict(state)
