#!/usr/bin/env python3
"""The causal 3-D VAE beside PyTorch on one GPU: the same numbers, and how long decoding takes.

    pip install torch safetensors                   (and ffmpeg)
    scripts/compare_vae3d.py PROGRAM FOLDER         PROGRAM: stereocrafter; FOLDER keeps weights and films
    scripts/compare_vae3d.py PROGRAM FOLDER --small toy widths, without a GPU and without times: to try the script

Weights are random and of the published widths. PyTorch runs whole clips by conv3d, channels_last_3d, as its users do
without a compiler. First the times: PyTorch in bf16, ours in every precision. Then a film goes through both in fp32, and
through ours in bf16, in fp8 and in tiles.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

LAST = torch.channels_last_3d
WIDTH, HEIGHT, FRAMES = 320, 192, 9  # of the film; small enough for fp32


class Net:
    """[1,C,T,H,W]. Weights are made in fp16 when they are first asked for, and shared by all types."""
    state = {}

    def __init__(self, small, device, dtype):
        self.small, self.device, self.dtype, self.cast = small, device, dtype, {}
        self.widths, self.latents, self.layers = ((32, 64, 64, 64), 4, 1) if small else ((128, 256, 512, 512), 16, 2)

    def weight(self, name, *shape):
        if name not in self.state:
            w = torch.randn(shape, device=self.device)
            if len(shape) > 1:  # keeps the size of what passes through
                w /= w[0].numel() ** 0.5
            else:
                w = 0.02 * w + ("norm" in name and name.endswith("weight"))
            self.state[name] = w.half()
        if name not in self.cast:
            w = self.state[name].to(self.dtype)
            self.cast[name] = w.contiguous(memory_format=LAST) if w.ndim == 5 else w
        return self.cast[name]

    def conv(self, x, name, out, taps=3, down=False, k=3):
        w, b = self.weight(name + ".weight", out, x.shape[1], taps, k, k), self.weight(name + ".bias", out)
        if taps == 3:
            x = torch.cat([x[:, :, :1], x[:, :, :1], x], 2)
        if down:
            return F.conv3d(F.pad(x, (0, 1, 0, 1)), w, b, (2 if taps == 3 else 1, 2, 2))
        return F.conv3d(x, w, b, padding=(0, k // 2, k // 2))

    def norm(self, x, name, silu=True):
        c, t, h, w = x.shape[1:]
        y = x.transpose(1, 2).reshape(t, c, h, w)
        y = F.group_norm(y, 32, self.weight(name + ".weight", c), self.weight(name + ".bias", c), 1e-6)
        y = F.silu(y) if silu else y
        return y.reshape(1, t, c, h, w).transpose(1, 2).contiguous(memory_format=LAST)

    def resblock(self, x, name, out):
        h = self.conv(self.norm(x, name + ".norm1"), name + ".conv1", out)
        h = self.conv(self.norm(h, name + ".norm2"), name + ".conv2", out)
        return h + (x if x.shape[1] == out else self.conv(x, name + ".conv_shortcut", out, 1, k=1))

    def attention(self, x, name):
        c, t, h, w = x.shape[1:]
        tokens = self.norm(x, name + ".group_norm", False)[0].permute(1, 2, 3, 0).reshape(t, 1, h * w, c)

        def linear(v, part):
            return F.linear(v, self.weight(f"{name}.{part}.weight", c, c), self.weight(f"{name}.{part}.bias", c))
        y = F.scaled_dot_product_attention(*(linear(tokens, part) for part in ("to_q", "to_k", "to_v")))
        return x + linear(y, "to_out.0").reshape(t, h, w, c).permute(3, 0, 1, 2)[None]

    def up(self, x, name, frames):
        c, t, h, w = x.shape[1:]
        y = self.conv(x, name + ".upscale_conv", c * 4 * frames, 1, k=1).reshape(1, 2, 2, frames, c, t, h, w)
        y = y.permute(0, 4, 5, 3, 6, 1, 7, 2).reshape(1, c, t * frames, 2 * h, 2 * w)
        if frames == 2:
            y = torch.cat([y[:, :, :1], y[:, :, 2:]], 2)
        return self.conv(y.contiguous(memory_format=LAST), name + ".conv", c)

    def middle(self, x, name):
        x = self.attention(self.resblock(x, name + ".resnets.0", x.shape[1]), name + ".attentions.0")
        return self.resblock(x, name + ".resnets.1", x.shape[1])

    def encode(self, x):
        x = self.conv(x, "encoder.conv_in", self.widths[0])
        for i, width in enumerate(self.widths):
            for j in range(self.layers):
                x = self.resblock(x, f"encoder.down_blocks.{i}.resnets.{j}", width)
            if i < 3:
                x = self.conv(x, f"encoder.down_blocks.{i}.downsamplers.0.conv", width, 3 if i else 1, True)
        x = self.norm(self.middle(x, "encoder.mid_block"), "encoder.conv_norm_out")
        return self.conv(x, "encoder.conv_out", 2 * self.latents)[:, :self.latents]

    def decode(self, x):
        x = self.middle(self.conv(x, "decoder.conv_in", self.widths[-1]), "decoder.mid_block")
        for i, width in enumerate(reversed(self.widths)):
            for j in range(self.layers + 1):
                x = self.resblock(x, f"decoder.up_blocks.{i}.resnets.{j}", width)
            if i < 3:
                x = self.up(x, f"decoder.up_blocks.{i}.upsamplers.0", 2 if i < 2 else 1)
        return self.conv(self.norm(x, "decoder.conv_norm_out"), "decoder.conv_out", 3)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stderr.decode()[-2000:]}")
    return done.stdout


def read(path, depth):
    """[T,H,W,3] in 0..1, by the film's own codes: FFmpeg widens 8 bits to 16 by a shift."""
    raw = run("ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24" if depth == 8 else "rgb48le", "-")
    codes = torch.frombuffer(bytearray(raw), dtype=torch.uint8 if depth == 8 else torch.uint16).to(torch.int32)
    return codes.float().reshape(-1, HEIGHT, WIDTH, 3) / (2 ** depth - 1)


def psnr(a, b):
    return -10 * ((a - b) ** 2).mean().log10().item()


def make(folder, net):
    """The file of weights: running the network makes them."""
    pixels = torch.zeros(1, 3, 1, 32, 32, device=net.device, dtype=net.dtype).contiguous(memory_format=LAST)
    net.decode(net.encode(pixels))
    save_file({name: w.cpu().contiguous() for name, w in net.state.items()}, folder / "full.safetensors")
    print(f"{sum(w.numel() for w in net.state.values())} parameters")


def check(program, folder, net):
    film = folder / "film.mkv"
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"mandelbrot=size={WIDTH}x{HEIGHT}", "-vf", "format=gbrp", "-frames:v",
        FRAMES, "-c:v", "ffv1", film)
    x = (read(film, 8).to(net.device) * 2 - 1).permute(3, 0, 1, 2)[None].contiguous(memory_format=LAST)
    want = (net.decode(net.encode(x))[0].permute(1, 2, 3, 0).clamp(-1, 1).cpu() + 1) / 2

    def ours(name, *options):
        out = folder / f"{name}.mkv"
        run(program, "-y", "--progress", "none", "--reconstruct", film, out, "--vae", folder / "full.safetensors", "-c:v", "ffv1",
            "-pix_fmt", "gbrp16le", *options)
        return read(out, 16)
    exact = psnr(ours("fp32", "--precision", "fp32"), want)
    print(f"fp32 against PyTorch's: {exact:.1f} dB, {FRAMES} frames of {WIDTH}x{HEIGHT}")
    print(f"tiles of 128 against whole pictures: {psnr(ours('tiles', '--precision', 'fp32', '--vae-tile', 128), want):.1f} dB")
    if not net.small:
        narrow = ours("bf16", "--precision", "vae=bf16")
        print(f"bf16 against fp32: {psnr(narrow, want):.1f} dB; fp8 against bf16: {psnr(ours('fp8', '--precision', 'vae=fp8'), narrow):.1f}")
    return exact > 80  # codes of 16 bits are good to 107; sums in another order leave the rest


def time_torch(net, tries):
    """Milliseconds a frame of decoding 5 frames of 1280x720."""
    x = torch.randn(1, net.latents, 2, 90, 160, device=net.device, dtype=net.dtype).contiguous(memory_format=LAST)
    best = float("inf")
    for _ in range(tries):
        torch.cuda.synchronize()
        begin = time.time()
        net.decode(x)
        torch.cuda.synchronize()
        best = min(best, (time.time() - begin) / 5 * 1e3)
    search = torch.backends.cudnn.benchmark
    print(f"PyTorch {torch.__version__}, bf16, cudnn.benchmark {search}: decode {best:.1f} ms a frame", flush=True)
    torch.cuda.empty_cache()
    return best


def time_ours(program, folder, torch_ms):
    report = folder / "vae.json"
    command = [program, "--bench", "--vae", folder / "full.safetensors", "--vae-slice", "4", "--report", report]
    subprocess.run([str(c) for c in command], check=True)
    ms = {row["precision"]: row["decode"]["frame_ms"] for row in json.loads(report.read_text())["vae"]}
    print(f"decoding in bf16 {torch_ms / ms['bf16']:.2f} times as fast as PyTorch, in fp8 "
          f"{ms['bf16'] / ms['fp8']:.2f} times as fast as in bf16", flush=True)


@torch.no_grad()
def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("program", type=Path)
    args.add_argument("folder", type=Path)
    args.add_argument("--small", action="store_true")
    a = args.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    device = "cpu" if a.small else "cuda"
    net = Net(a.small, device, torch.float32)
    make(a.folder, net)
    if not a.small:
        time_ours(a.program, a.folder, time_torch(Net(False, device, torch.bfloat16), 4))
    same = check(a.program, a.folder, net)
    if not a.small:  # last: trying every kernel takes a minute
        torch.backends.cudnn.benchmark = True
        time_torch(Net(False, device, torch.bfloat16), 4)
    sys.exit(not same)


if __name__ == "__main__":
    main()
