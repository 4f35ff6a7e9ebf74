#!/usr/bin/env python3
"""Golden numbers for the causal 3-D video VAE: a toy of its own PyTorch implementation, in float64.

    pip install torch diffusers transformers safetensors      (make_golden.py, whose weights these are, wants them)
    scripts/make_golden_vae3d.py      writes tests/golden/data/vae3d

No published class is at hand: what follows was written from the description of the network alone, on whole
clips with conv3d. Slices are a second way through it, and have to agree before anything is written. A data
folder is as make_golden.py describes it. Each block runs on an input of its own, three frames of it.
"""
import torch
import torch.nn.functional as F

from make_golden import DATA, Record, random, weight

WIDTH, LATENT, LAYERS, TEMPORAL = (32, 64, 64, 64), 4, 1, 2
LEVELS = len(WIDTH)
EPS = 1e-6


class Net:
    """Weights by name, made when they are first asked for; and what convolutions keep of a slice."""

    def __init__(self):
        self.state, self.past = {}, {}

    def weight(self, name, *shape):
        if name not in self.state:
            self.state[name] = weight(name, shape)
        return self.state[name]

    def causal(self, x, name, out, taps=3, down=False):
        """x [T,C,H,W]. In front: two copies of the clip's first frame, or the end of the slice before."""
        w = self.weight(name + ".weight", out, x.shape[1], taps, 3, 3)
        b = self.weight(name + ".bias", out)
        stride = (2 if taps == 3 else 1, 2, 2) if down else (1, 1, 1)
        if taps == 3:
            x = torch.cat([self.past.get(name, x[:1].repeat(2, 1, 1, 1)), x])
            self.past[name] = x[-(3 - stride[0]):]
        x = F.pad(x, (0, 1, 0, 1) if down else (1, 1, 1, 1))
        return F.conv3d(x.transpose(0, 1)[None], w, b, stride)[0].transpose(0, 1)

    def pointwise(self, x, name, out):
        w = self.weight(name + ".weight", out, x.shape[1], 1, 1, 1)
        return F.conv2d(x, w[:, :, 0], self.weight(name + ".bias", out))

    def norm(self, x, name):
        c = x.shape[1]
        return F.group_norm(x, 32, self.weight(name + ".weight", c), self.weight(name + ".bias", c), EPS)

    def resblock(self, x, name, out):
        h = self.causal(F.silu(self.norm(x, name + ".norm1")), name + ".conv1", out)
        h = self.causal(F.silu(self.norm(h, name + ".norm2")), name + ".conv2", out)
        return h + (x if x.shape[1] == out else self.pointwise(x, name + ".conv_shortcut", out))

    def attention(self, x, name):
        n, c, h, w = x.shape
        tokens = self.norm(x, name + ".group_norm").flatten(2).transpose(1, 2)

        def linear(t, part):
            return F.linear(t, self.weight(f"{name}.{part}.weight", c, c), self.weight(f"{name}.{part}.bias", c))
        q, k, v = (linear(tokens, part) for part in ("to_q", "to_k", "to_v"))
        y = torch.softmax(q @ k.transpose(1, 2) / c ** 0.5, dim=-1) @ v
        return x + linear(y, "to_out.0").transpose(1, 2).reshape(n, c, h, w)

    def up(self, x, name, frames):
        first = name + ".conv" not in self.past
        t, c, h, w = x.shape
        y = self.pointwise(x, name + ".upscale_conv", c * 4 * frames)
        y = y.reshape(t, 2, 2, frames, c, h, w)                       # t, row, column, frame, c, h, w
        y = y.permute(0, 3, 4, 5, 1, 6, 2).reshape(t * frames, c, 2 * h, 2 * w)
        if first and frames == 2:
            y = torch.cat([y[:1], y[2:]])
        return self.causal(y, name + ".conv", c)

    def middle(self, x, name):
        x = self.resblock(x, name + ".resnets.0", x.shape[1])
        x = self.attention(x, name + ".attentions.0")
        return self.resblock(x, name + ".resnets.1", x.shape[1])

    def encode(self, x):
        x = self.causal(x, "encoder.conv_in", WIDTH[0])
        for i, width in enumerate(WIDTH):
            for j in range(LAYERS):
                x = self.resblock(x, f"encoder.down_blocks.{i}.resnets.{j}", width)
            if i < LEVELS - 1:
                x = self.causal(x, f"encoder.down_blocks.{i}.downsamplers.0.conv", width, taps(i), True)
        x = F.silu(self.norm(self.middle(x, "encoder.mid_block"), "encoder.conv_norm_out"))
        return self.causal(x, "encoder.conv_out", 2 * LATENT)[:, :LATENT]

    def decode(self, x):
        x = self.middle(self.causal(x, "decoder.conv_in", WIDTH[-1]), "decoder.mid_block")
        for i, width in enumerate(reversed(WIDTH)):
            for j in range(LAYERS + 1):
                x = self.resblock(x, f"decoder.up_blocks.{i}.resnets.{j}", width)
            if i < LEVELS - 1:
                x = self.up(x, f"decoder.up_blocks.{i}.upsamplers.0", 2 if i < TEMPORAL else 1)
        return self.causal(F.silu(self.norm(x, "decoder.conv_norm_out")), "decoder.conv_out", 3)


def taps(i):
    return 3 if i >= LEVELS - 1 - TEMPORAL else 1


def both_ways(net, run, x, lengths):
    """A clip whole, which slices of these lengths have to equal."""
    net.past = {}
    whole = run(x)
    net.past = {}
    sliced = torch.cat([run(part) for part in x.split(lengths)])
    assert whole.shape == sliced.shape and (whole - sliced).abs().max() < 1e-12
    return whole


def main():
    net, record = Net(), Record(DATA / "vae3d")

    def block(kind, name, channels, run, lengths=(1, 1, 1), size=(4, 6)):
        x = random(sum(lengths), channels, *size, seed=channels + size[0])
        record.line(kind, name, x, both_ways(net, run, x, lengths), (EPS, 0))

    def resblock(name, channels, out):
        block("resblock", name, channels, lambda x: net.resblock(x, name, out))

    def conv(name, channels, out):
        block("conv", name, channels, lambda x: net.causal(x, name, out))

    def middle(name):
        resblock(name + ".resnets.0", WIDTH[-1], WIDTH[-1])
        block("attention", name + ".attentions.0", WIDTH[-1], lambda x: net.attention(x, name + ".attentions.0"))
        resblock(name + ".resnets.1", WIDTH[-1], WIDTH[-1])

    conv("encoder.conv_in", 3, WIDTH[0])
    channels = WIDTH[0]
    for i, width in enumerate(WIDTH):
        for j in range(LAYERS):
            resblock(f"encoder.down_blocks.{i}.resnets.{j}", channels, width)
            channels = width
        if i < LEVELS - 1:
            name = f"encoder.down_blocks.{i}.downsamplers.0.conv"
            block(f"down{taps(i)}", name, width, lambda x: net.causal(x, name, width, taps(i), True), (1, 2))
    middle("encoder.mid_block")
    conv("encoder.conv_out", WIDTH[-1], 2 * LATENT)
    images = random(9, 3, 16, 24, seed=1)
    record.line("encode", "encoder", images, both_ways(net, net.encode, images, (5, 4)))

    conv("decoder.conv_in", LATENT, WIDTH[-1])
    middle("decoder.mid_block")
    channels = WIDTH[-1]
    for i, width in enumerate(reversed(WIDTH)):
        for j in range(LAYERS + 1):
            resblock(f"decoder.up_blocks.{i}.resnets.{j}", channels, width)
            channels = width
        if i < LEVELS - 1:
            name, frames = f"decoder.up_blocks.{i}.upsamplers.0", 2 if i < TEMPORAL else 1
            block(f"up{frames}", name, width, lambda x: net.up(x, name, frames), size=(2, 3))
    conv("decoder.conv_out", WIDTH[0], 3)
    latents = random(3, LATENT, 2, 3, seed=2)
    record.line("decode", "decoder", latents, both_ways(net, net.decode, latents, (2, 1)))

    record.write({"latent_channels": LATENT, "layers_per_block": LAYERS, "block_out_channels": WIDTH})
    record.list_weights(net.state)


if __name__ == "__main__":
    main()
