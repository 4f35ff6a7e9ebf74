#!/usr/bin/env python3
"""Our times beside PyTorch's, all measured in one run on one GPU.

    pip install torch diffusers                         (what is missing is said in its rows)
    scripts/bench_peers.py BUILD_DIR [OUT]              OUT: where rows are kept; tests/bench without it
    scripts/bench_peers.py BUILD_DIR OUT --small        every peer once, tiny, without a GPU: to try the script

Each group of peers is a process: all of them build and compile side by side, then wait. When the GPU is quiet,
`stereocrafter --bench` runs alone, and after it one group after the other: warmed, shapes and types as ours, random
data, medians of 20. Runs are enqueued back to back, so that a peer's launches hide behind its kernels; ours are waited
for one by one. Of several ways that a peer has, the fastest counts. gpu_results.py makes results.json and RESULTS.md of it,
anew after every group: a group that fails, or that --seconds ends, costs its own rows alone.
"""
import argparse
import contextlib
import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import gpu_results

RUNS, WARM, PATIENCE = 20, 3, 0.5  # PATIENCE: seconds of a run that is warm after one
CHAIN = 23  # frames: one window of both networks
PREPARING, LATEST = 0.5, 0.85  # parts of the time: when ours are timed; when a group has to be ready
LEVELS = [(320, 72, 128), (640, 36, 64), (1280, 18, 32)]  # channels, height, width of the UNet's for 1024x576
UNET = dict(sample_size=96, in_channels=8, out_channels=4, num_attention_heads=(5, 10, 20, 20), cross_attention_dim=1024,
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=768, num_frames=25)
VAE = dict(block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2,
           latent_channels=4, force_upcast=False)


# ------------------------------------------------------------------ in a peer's process

class Peers:
    """Cases of one group: name, way, function, runs. All have run once before the group says that it is ready."""

    def __init__(self, small, work):
        import torch
        self.torch, self.small, self.work, self.cases = torch, small, work, []
        self.device = "cpu" if small else "cuda"
        self.type = torch.float32 if small else torch.float16
        torch.manual_seed(0)
        torch.backends.cudnn.benchmark = True

    def random(self, *size, scale=1.0):
        x = self.torch.randn(*size, device=self.device, dtype=self.type) * scale
        return x.contiguous(memory_format=self.torch.channels_last) if x.ndim == 4 else x

    def cut(self, n, by=8):
        return max(n // by, 1) if self.small else n

    def compiled(self, f, **options):
        return f if self.small else self.torch.compile(f, dynamic=False, **options)

    @contextlib.contextmanager
    def alone(self):
        """No other group does so meanwhile: cuDNN's plans are chosen by timing them."""
        with open(self.work / "lock", "w") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield
            if not self.small:
                self.torch.cuda.synchronize()

    def add(self, name, way, call, alone=False, runs=RUNS):
        """runs 0: only to choose the plans of what is compiled afterwards. 1: what is run here is not the call."""
        try:
            with self.alone() if alone else contextlib.nullcontext():
                if runs != 1:
                    call()
            if runs:
                self.cases.append((name, way, call, runs))
        except Exception as e:  # a peer that does not run here is no reason to measure nothing
            say(name=name, way=way, failed=f"{type(e).__name__}: {e}"[:200])

    def median(self, call, runs):
        if self.small:
            call()
            return 1.0
        cuda = self.torch.cuda

        def timed(n):
            events = [[cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(n)]
            for begin, end in events:
                begin.record()
                call()
                end.record()
            cuda.synchronize()
            return sorted(a.elapsed_time(b) for a, b in events)
        if runs > 1 and timed(1)[0] < 1e3 * PATIENCE:
            timed(WARM)
        return timed(runs)[runs // 2]

    def time(self):
        for name, way, call, runs in self.cases:
            try:
                say(name=name, way=way, ms=self.median(call, runs), runs=runs)
            except Exception as e:
                say(name=name, way=way, failed=f"{type(e).__name__}: {e}"[:200])


def say(**row):
    print(json.dumps(row), flush=True)


def attention(p):
    from torch.nn import functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
    ways = {"cuDNN SDPA": SDPBackend.CUDNN_ATTENTION, "flash SDPA": SDPBackend.FLASH_ATTENTION}
    if p.small:
        ways = {"SDPA": SDPBackend.MATH}

    def by(backend, call):
        def run():
            with sdpa_kernel(backend):
                return call()
        return run
    for (c, h, w) in LEVELS:
        heads, places, frames = c // 64, p.cut(h * w, 64), p.cut(25)
        q, k, v = (p.torch.randn(frames, heads, places, 64, device=p.device, dtype=p.type) for _ in range(3))
        x = p.random(frames * places, 3 * c)

        def spatial(q=q, k=k, v=v):
            return F.scaled_dot_product_attention(q, k, v)

        def temporal(x=x, frames=frames, places=places, heads=heads, c=c):
            q, k, v = x.view(frames, places, 3, heads, 64).permute(2, 1, 3, 0, 4).unbind(0)
            return F.scaled_dot_product_attention(q, k, v).permute(2, 0, 1, 3).reshape(frames * places, c)
        for way, backend in ways.items():
            p.add(f"attn_{h * w}", way, by(backend, spatial))
            p.add(f"attn_temporal_25_{h * w}", way + " and permutes", by(backend, temporal))


def convolutions(p):
    from torch.nn import functional as F
    if not p.small:
        p.torch.backends.cudnn.benchmark_limit = 24  # those after need a compiler, and are no faster

    def conv(name, n, c, h, w):
        x, z = p.random(n, c, h, w), p.random(n, c, h, w)
        weight, bias = p.random(c, c, 3, 3, scale=0.02), p.random(c)
        p.add(name, "cuDNN, + bias and residual by PyTorch", lambda: F.conv2d(x, weight, bias, padding=1).add_(z), True)
        if not p.small:  # and a ReLU, which costs nothing
            p.add(name, "cuDNN, bias and residual fused", lambda: p.torch.cudnn_convolution_add_relu(
                x, weight, z, 1.0, bias, [1, 1], [1, 1], [1, 1], 1), True)

    def upsampled(name, n, c, h, w):
        x, double = p.random(n, c, h, w), p.random(n, c, 2 * h, 2 * w)
        weight, bias = p.random(c, c, 3, 3, scale=0.02), p.random(c)
        p.add(name, "cuDNN on the doubled picture, given", lambda: F.conv2d(double, weight, bias, padding=1), True)
        if not p.small:
            p.add(name, "cuDNN on the doubled picture, given, bias fused", lambda: p.torch.cudnn_convolution_relu(
                double, weight, bias, [1, 1], [1, 1], [1, 1], 1), True)
        p.add(name + "_and_doubling", "PyTorch", lambda: F.conv2d(
            F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, bias, padding=1), True)
    for c, h, w in LEVELS:
        conv(f"conv3x3_{c}", p.cut(25), p.cut(c), p.cut(h), p.cut(w))
    for c, h, w in [(512, 144, 256), (256, 288, 512), (128, 576, 1024)]:
        conv(f"conv3x3_vae_{c}", p.cut(8), p.cut(c), p.cut(h), p.cut(w))
    for c, h, w in LEVELS[1:]:
        upsampled(f"upsample_conv_{c}", p.cut(25), p.cut(c), p.cut(h), p.cut(w))


def rows_of_tokens(p):
    from torch.nn import functional as F

    def geglu(x, weight, bias):
        v, g = F.linear(x, weight, bias).chunk(2, -1)
        return v * F.gelu(g)
    ways = {"PyTorch": geglu, "torch.compile": p.compiled(geglu),
            "torch.compile max-autotune": p.compiled(geglu, mode="max-autotune-no-cudagraphs")}
    for c, h, w in LEVELS:
        x, weight, bias = p.random(p.cut(25 * h * w, 64), c), p.random(8 * c, c, scale=0.02), p.random(8 * c)
        for way, f in ways.items():
            p.add(f"ff1_geglu_{c}", way, lambda f=f, x=x, weight=weight, bias=bias: f(x, weight, bias))
    c, h, w = LEVELS[0]
    m = p.cut(25 * h * w, 64)
    x4, w2, b2, add = p.random(m, 4 * c), p.random(c, 4 * c, scale=0.02), p.random(c), p.random(m, c)
    p.add("ff2_320", "cuBLAS, + residual by PyTorch", lambda: F.linear(x4, w2, b2).add_(add))
    image, gain, shift = p.random(p.cut(25), c, h, w), p.random(c), p.random(c)

    def norm(x, gain, shift):
        return F.silu(F.group_norm(x, 32, gain, shift, 1e-5))

    def layer_norm(x, gain, shift):
        return F.layer_norm(x, (c,), gain, shift)
    tokens = p.random(m, c)
    for name, f, x in [("group_norm_320", norm, image), ("layer_norm_320", layer_norm, tokens)]:
        fast = p.compiled(f)
        p.add(name, "PyTorch", lambda f=f, x=x: f(x, gain, shift))
        p.add(name, "torch.compile", lambda f=fast, x=x: f(x, gain, shift))


def splat(p):
    """The reference's stereo warp: three forward warps by atomic additions, and what it computes around them."""
    import triton

    import forward_warp
    torch, h, w = p.torch, p.cut(1080, 90), p.cut(1920, 90)
    left = torch.rand(3, h, w, device=p.device)
    disparity = torch.rand(1, h, w, device=p.device) * 4 + torch.linspace(0, 36, w, device=p.device)

    def warp(image, flow):
        out = torch.zeros_like(image)
        forward_warp.forward_warp[(triton.cdiv(h * w, 256),)](image, flow, out, image.shape[0], h, w, BLOCK=256)
        return out

    def stereo():
        weight = 1.414 ** (disparity - disparity.min())
        flow = torch.stack((-disparity[0], torch.zeros_like(disparity[0])), -1)
        right = warp(left * weight, flow) / warp(weight, flow).clamp_(min=1e-6)
        return right, 1 - warp(torch.ones_like(disparity), flow).clamp_(0, 1)
    p.add("splat_1080p", "atomic forward warp", stereo)


def copying(p):
    n = p.cut(2 ** 30, 2 ** 20)
    a, b = (p.torch.randn(n, device=p.device) for _ in range(2))
    p.add("copy_8gb", "PyTorch", lambda: b.copy_(a))


def channels_last(model):
    import torch
    for m in model.modules():
        if isinstance(m, torch.nn.Conv2d):
            m.weight.data = m.weight.data.to(memory_format=torch.channels_last)
        if isinstance(m, torch.nn.Conv3d):
            m.weight.data = m.weight.data.to(memory_format=torch.channels_last_3d)
    return model


def on_device(p, make, config):
    with p.torch.device(p.device):
        return channels_last(make(**config).to(p.device, p.type).eval())


def unet(p, frames, asked):
    from diffusers import UNetSpatioTemporalConditionModel
    config = dict(UNET, block_out_channels=(32, 64, 64, 64), num_attention_heads=(1, 2, 2, 2),
                  layers_per_block=1) if p.small else UNET
    with p.torch.device(p.device):
        net = UNetSpatioTemporalConditionModel(**config).to(p.device, p.type).eval()
    h, w, n = p.cut(72), p.cut(128), p.cut(frames, 12)
    sample = p.torch.randn(1, n, 8, h, w, device=p.device, dtype=p.type)
    token = p.torch.randn(1, 1, 1024, device=p.device, dtype=p.type)
    ids = p.torch.tensor([[6.0, 127.0, 0.0]], device=p.device, dtype=p.type)
    step = p.torch.tensor(1.0, device=p.device)

    def forward(f):
        return lambda: f(sample, step, encoder_hidden_states=token, added_time_ids=ids, return_dict=False)
    if asked == "eager":  # as it is shipped, contiguous; beside it, in a process of its own, as it is fastest
        p.add(f"unet_f{frames}", "PyTorch eager", forward(net), alone=True)
        return
    channels_last(net)
    p.add(f"unet_f{frames}", "PyTorch eager, channels last", forward(net), alone=True, runs=RUNS if frames == 25 else 0)
    p.add(f"unet_f{frames}", "torch.compile", forward(p.compiled(net)))


def vae(p):
    from diffusers import AutoencoderKLTemporalDecoder
    config = dict(VAE, block_out_channels=(32,) * 4, layers_per_block=1) if p.small else VAE
    net, n, h, w = on_device(p, AutoencoderKLTemporalDecoder, config), p.cut(8, 4), p.cut(576), p.cut(1024)
    images, latents = p.random(n, 3, h, w), p.random(n, 4, h // 8, w // 8)
    images_only = p.torch.zeros(1, n, device=p.device, dtype=p.type)

    def encode(f):
        return lambda: net.quant_conv(f(images))

    def decode(f):
        return lambda: f(latents, num_frames=n, image_only_indicator=images_only)
    p.add("vae_encode_8", "PyTorch eager", encode(net.encoder), alone=True, runs=5)
    p.add("vae_decode_8", "PyTorch eager", decode(net.decoder), alone=True, runs=5)
    p.add("vae_encode_8", "torch.compile", encode(p.compiled(net.encoder)))
    p.add("vae_decode_8", "torch.compile", decode(p.compiled(net.decoder)))


def chain(p):
    """What the published scripts run on a film of CHAIN frames of 1024x576, one window, with their settings: networks
    in eager fp16, the VAE's encoder in fp32, cuDNN's plans as they come. The warp, files and what else they do are left
    out, in their favour. Leaves the networks' random weights where ours finds them."""
    import compare_reference as cr
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    torch, o = p.torch, cr.SMALL if p.small else cr.FULL
    torch.backends.cudnn.benchmark = False
    n, h, w = 4 if p.small else CHAIN, o["size"][0] // 8, o["size"][1] // 8

    def publish(make, folder, file, config, name):
        with torch.device(p.device):
            net = make(config).to(p.device).eval()
        cr.fill(net)
        with contextlib.redirect_stdout(sys.stderr):
            cr.publish(net, p.work / "models" / folder, file, o["params"].get(name))
        (p.work / "models" / folder / "config.json").write_text(json.dumps(config))
        return net.to(p.type)

    def draw(net, steps, batches, channels):
        size, width = batches[-1], o["unet"]["cross_attention_dim"]
        x = torch.randn(size, n, channels, h, w, device=p.device, dtype=p.type)
        token = torch.randn(size, 1, width, device=p.device, dtype=p.type)
        ids = torch.tensor([[6.0, 127.0, 0.0]] * size, device=p.device, dtype=p.type)
        for _ in range(steps):
            v = sum(net(x[:b], torch.tensor(1.0, device=p.device), token[:b], added_time_ids=ids[:b],
                        return_dict=False)[0][:1] for b in batches)
            x[:, :, :4] += 0.01 * v

    def code(net, latents, images, encoded, decoded):
        net.to(torch.float32)
        for i in range(0, n, encoded):
            net.encode(images[i:i + encoded].float()).latent_dist.mode()
        net.to(p.type)
        for i in range(0, n, decoded):
            net.decode(latents[i:i + decoded], num_frames=len(latents[i:i + decoded])).sample
    vae_config = dict(in_channels=3, out_channels=3, latent_channels=4, scaling_factor=0.18215, force_upcast=True,
                      sample_size=768, down_block_types=("DownEncoderBlock2D",) * 4, **o["vae"])
    clip_config = dict(hidden_act="gelu", layer_norm_eps=1e-5, num_channels=3, **o["clip"])
    nets = {c: publish(lambda config: UNetSpatioTemporalConditionModel(**config), folder,
                       "diffusion_pytorch_model.safetensors", dict(in_channels=c, out_channels=4, **o["unet"]), f"unet{c}")
            for c, folder in ((8, "DepthCrafter"), (9, "StereoCrafter/unet_diffusers"))}
    vae = publish(lambda config: AutoencoderKLTemporalDecoder(**config), cr.SVD + "/vae",
                  "diffusion_pytorch_model.fp16.safetensors", vae_config, "vae")
    clip = publish(lambda config: CLIPVisionModelWithProjection(CLIPVisionConfig(**config)), cr.SVD + "/image_encoder",
                   "model.fp16.safetensors", clip_config, "clip")
    small = torch.rand(n, 3, *[o["clip"]["image_size"]] * 2, device=p.device, dtype=p.type)
    images, latents = torch.rand(n, 3, 8 * h, 8 * w, device=p.device, dtype=p.type), torch.randn(
        n, 4, h, w, device=p.device, dtype=p.type)

    def run(steps=8):
        clip(small)
        draw(nets[8], steps, (1, 1), 8)  # with and without the picture, one after the other
        code(vae, latents, images, 8, 8)
        clip(small[:1])
        draw(nets[9], steps, (2,), 9)
        code(vae, latents, images, 5, 2)
    with p.alone():
        run(1)
    p.add(f"chain_{n}", "the published scripts' networks, PyTorch eager", run, runs=1)


GROUPS = {
    "ops": lambda p: [f(p) for f in (copying, attention, convolutions, splat, rows_of_tokens)],
    "unet 25": lambda p: unet(p, 25, "compile"),
    "unet 25 as shipped": lambda p: unet(p, 25, "eager"),
    "vae": vae,
    "unet 110": lambda p: unet(p, 110, "compile"),
    "chain": chain,
}


def be_peer(group, work, small):
    p = Peers(small, work)
    with p.torch.inference_mode():
        try:
            GROUPS[group](p)
        except (Exception, SystemExit) as e:  # what compare_reference.py does without its packages
            say(name=group, way="", failed=f"{type(e).__name__}: {e}"[:200])
        say(ready=group)
        sys.stdin.readline()  # until the GPU is ours alone
        p.time()
    say(done=group)


# ------------------------------------------------------------------ the run

def versions():
    out = {}
    try:
        import torch
        out = dict(torch=torch.__version__, cudnn=torch.backends.cudnn.version())
        if torch.cuda.is_available():
            out.update(gpu=torch.cuda.get_device_name(), cuda=torch.version.cuda)
        import diffusers
        import triton
        out.update(diffusers=diffusers.__version__, triton=triton.__version__)
    except ImportError as e:
        out["missing"] = str(e)
    return out


class Group:
    """A peer's process, and those that it starts itself. Its rows end with one that says so where it gave none."""

    def __init__(self, name, folder, small):
        self.name, self.rows, self.lines = name, [], queue.Queue()
        self.log = folder / f"{name.replace(' ', '_')}.log"
        words = [sys.executable, __file__, "--peer", name, "--work", folder] + ["--small"] * small
        self.process = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=open(self.log, "w"), process_group=0)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def signal(self, what):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, what)

    def read_until(self, key, until):
        """False if the process has ended, None if it goes on."""
        while True:
            try:
                line = self.lines.get(timeout=max(until - time.monotonic(), 0.01))
            except queue.Empty:
                return None
            if line is None:
                self.lines.put(None)  # for whoever asks next
                return False
            row = json.loads(line) if line.startswith("{") else {}
            if key in row:
                return True
            if row:
                self.rows.append(row)
                result = f"{row['ms']:.4f} ms" if "ms" in row else row["failed"]
                print(f"{row['name']:<28} {row['way']:<48} {result}", flush=True)

    def time(self, until):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        done = self.read_until("done", until)
        if not done:
            why = "no time was left" if done is None else f"ended early: {self.log.read_text().strip()[-200:]}"
            self.rows.append(dict(name=self.name, way="", failed=why))
            print(f"{self.name}: {why}", flush=True)
        self.signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the next one wants the GPU, but not for ever
            self.process.wait(10)


def film(path, frames, size="1920x1080"):
    """Moving, of FFmpeg's own."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2={size}:rate=24", "-frames:v",
                    str(frames), "-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", path], check=True)
    return path


def convert(program, clip, until, *options):
    """Milliseconds a frame, without an encoder."""
    stats = clip.with_suffix(".json")
    done = subprocess.run([program, "-v", "error", "-f", "null", "--stats", stats, *options, clip], capture_output=True,
                          text=True, timeout=max(until - time.monotonic(), 1))
    if done.returncode:
        raise RuntimeError(done.stderr[-200:])
    s = json.loads(stats.read_text())
    return 1e3 * s["seconds"] / s["frames"]


class Ours:
    """What the program is timed at. A case that fails is said, and costs its own rows alone."""

    def __init__(self, build, work, small, until):
        self.program, self.work, self.small, self.until = build / "stereocrafter", work, small, until
        self.device, self.report, self.rows = "cpu" if small else "cuda", dict(nets=[], ops=[]), []

    @contextlib.contextmanager
    def case(self, name):
        try:
            yield
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            print(f"{name}: {e}", flush=True)

    def bench(self, precision, clip):
        path = self.work / "bench.json"
        with self.case("--bench"):
            subprocess.run([self.program, "--bench", "--device", self.device, "--report", path]
                           + (["--precision", precision] if precision else []) + [clip], check=True,
                           timeout=max(self.until - time.monotonic(), 1))
            self.report = json.loads(path.read_text())

    def add(self, name, ms):
        self.rows.append((name, ms, "ms a frame"))
        print(f"{name}: {ms:.3f} ms a frame", flush=True)

    def published(self):
        """The networks that the chain's group has left, in two fidelities: the second of two runs, for the first
        chooses kernels."""
        size, n = ("128x64", 4) if self.small else ("1024x576", CHAIN)
        for fidelity in ("reference", "fast"):
            with self.case(f"chain_{fidelity}"):
                clip = film(self.work / "chain.mp4", n, size)
                self.add(f"chain_{fidelity}",
                         [convert(self.program, clip, self.until, "--device", self.device, "--model", "stereocrafter",
                                  "--models", self.work / "models", "--fidelity", fidelity) for _ in range(2)][1])

    def growth(self):
        """How the built-in networks' time grows with a film's length and with its pixels."""
        sizes = ["128x64"] if self.small else ["512x288", "1024x576", "1280x720", "1920x1080"]
        for size in sizes:
            for frames in (2, 4) if self.small else (50, 500):
                with self.case(size):
                    clip = film(self.work / "scale.mp4", frames, size)
                    self.add(f"builtin_{size}_{frames}_frames",
                             convert(self.program, clip, self.until, "--device", self.device, "--model", "builtin"))


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("build", nargs="?", type=Path)
    ap.add_argument("out", nargs="?", type=Path, default=Path(__file__).parent.parent / "tests/bench")
    ap.add_argument("--only", default=",".join(GROUPS), help="groups of peers, with commas between; empty: none")
    ap.add_argument("--precision", help="as --bench takes it")
    ap.add_argument("--commit", help="what is measured, where git cannot tell")
    ap.add_argument("--clip", type=Path, help="a film of 1920x1080 for the built-in tier")
    ap.add_argument("--findings", help="how many sanitizers had: a row")
    ap.add_argument("--rows", type=Path, help="a log with further rows: lines of \"row NAME VALUE UNIT\"")
    ap.add_argument("--seconds", type=float, default=480, help="after which no more is measured")
    ap.add_argument("--small", action="store_true")
    ap.add_argument("--peer", help=argparse.SUPPRESS)
    ap.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.peer:
        return be_peer(a.peer, a.work, a.small)
    a.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work, groups = Path(folder), []
        ours = Ours(a.build, work, a.small, begin + a.seconds)
        ours.rows += [("sanitizer_findings", float(a.findings), "findings")] if a.findings else []
        ours.rows += rows_of_log(a.rows) if a.rows and a.rows.exists() else []
        try:
            groups += [Group(g, work, a.small) for g in a.only.split(",") if g in GROUPS]
            measure(a, ours, groups)
        finally:
            for g in groups:
                g.signal(signal.SIGKILL)


def rows_of_log(path):
    rows = [line.split(maxsplit=3)[1:] for line in path.read_text().splitlines() if line.startswith("row ")]
    return [(name, float(value), unit) for name, value, unit in rows]


def measure(a, ours, groups):
    """Groups that are not ready when PREPARING is over stand still while others are timed, and go on last."""
    begin, written = time.monotonic(), versions()

    def write():
        gpu_results.write(a.out, ours.report, dict(versions=written, rows=[r for g in groups for r in g.rows]), a.commit,
                          ours.rows)

    def wait(group, until):
        ready = group.read_until("ready", until)
        print(f"{group.name}: { {True: 'ready', False: 'failed', None: 'not ready'}[ready]} after "
              f"{time.monotonic() - begin:.0f} s", flush=True)
        return ready

    def time_all(some):
        for g in some:
            if g.name == "chain":
                ours.published()
            g.time(ours.until)
            write()
    clip = a.clip or film(ours.work / "film.mp4", 2 if a.small else 300)
    late = [g for g in groups if wait(g, begin + PREPARING * a.seconds) is None]
    for g in late:
        g.signal(signal.SIGSTOP)
    ours.bench(a.precision, clip)
    write()
    time_all([g for g in groups if g not in late])
    for g in late:  # at once: one may have the lock that another waits for
        g.signal(signal.SIGCONT)
    for g in late:
        if not wait(g, begin + LATEST * a.seconds):
            g.signal(signal.SIGKILL)  # or it would disturb those that are
    time_all(late)
    ours.growth()
    write()


if __name__ == "__main__":
    main()
