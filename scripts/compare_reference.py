#!/usr/bin/env python3
"""The published networks, full size and with random weights, against diffusers and transformers.

    pip install torch diffusers transformers safetensors
    scripts/compare_reference.py GOLDEN DIR [--device cuda]           GOLDEN: build/tests/golden
    scripts/compare_reference.py GOLDEN DIR --small                   toys, for a machine without a GPU
    scripts/compare_reference.py GOLDEN DIR --pipeline PROGRAM        also the pipelines around the networks

Writes into DIR (10 GB; 20 MB with --small) what a person downloads: folders, names, shapes and half precision of the
published checkpoints, of numbers that keep every block's output near 1. Beside each network's weights lie its inputs
and what Python makes of them in float32 (TF32 off; float64 on a CPU). GOLDEN then loads those folders as the program
does and runs them at each precision. A line for each says how far it is from Python's float32, and for scale how far
PyTorch's own fp16 and bf16 are. Exit code 77 without those packages or a GPU, 1 where a limit is broken.

With --pipeline the networks are not run by themselves. Python's loops (reference_pipeline.py) and PROGRAM's
--fidelity reference, in float32, make depth and the other eye of the same films with the same noise; parity, which is
built beside GOLDEN, prints every stage's error. Then PROGRAM's precisions are compared, and what guidance and fewer
steps cost and change: with random weights, which says little about the real ones.
"""
import argparse
import json
import math
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

try:
    import torch
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from safetensors.torch import load_file, save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    import reference_pipeline
    from make_golden import Record, UNETS, CLIP_MEAN, CLIP_STD, antialiased_resize
except ImportError as missing:
    print(f"skipped: {missing}; this needs torch, diffusers, transformers and safetensors")
    sys.exit(77)

SVD = "stable-video-diffusion-img2vid-xt-1-1"
HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}

FULL = dict(
    unet=dict(block_out_channels=(320, 640, 1280, 1280), num_attention_heads=(5, 10, 20, 20), layers_per_block=2,
              cross_attention_dim=1024, addition_time_embed_dim=256, projection_class_embeddings_input_dim=768),
    vae=dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2),
    clip=dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, image_size=224,
              patch_size=14, projection_dim=1024),
    params=dict(unet8=1524623082, unet9=1524625962, vae=97742847, clip=632076800),
    size=(576, 1024), frames=25, vae_frames=8)
SMALL = dict(
    unet=dict(block_out_channels=(32, 64, 32, 64), num_attention_heads=(1, 2, 4, 1), layers_per_block=1,
              cross_attention_dim=48, addition_time_embed_dim=32, projection_class_embeddings_input_dim=96),
    vae=dict(block_out_channels=(32, 64, 32, 64), layers_per_block=2),
    clip=dict(hidden_size=40, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, image_size=28,
              patch_size=7, projection_dim=48),
    params={}, size=(64, 128), frames=3, vae_frames=3)


# ------------------------------------------------------------------ checkpoints

# The last layer of each residual branch: at half its size, a hundred sums of branches stay near 1.
LAST = ("conv2", "to_out.0", "net.2", "proj_out", "out_proj", "fc2")
# A trained decoder's picture is smooth within a few pixels; of white kernels it is noise, over whose order of near and
# far any rounding decides. The rest of a kernel stays white: each of its taps has its own place.
BLUR, WHITE = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16, 0.3
# Scores of this deviation give most of a softmax over 9216 keys to some twenty of them: neither a mean nor a choice.
QUERY, SHARP = ("to_q", "q_proj"), 2.5


def fill(model):
    """Numbers that keep the size of what passes through, exact in half precision."""
    for name, p in model.named_parameters():
        layer = name.rsplit(".", 1)[0]
        if p.ndim > 1:
            gain = 0.5 if layer.endswith(LAST) else SHARP if layer.endswith(QUERY) else 1
            p.normal_(0, gain / math.sqrt(p[0].numel()))
            if p.shape[2:] == BLUR.shape:
                smooth = torch.randn_like(p[:, :, :1, :1]) * gain / math.sqrt(p.shape[1])
                p.mul_(WHITE).add_(smooth * BLUR.to(p) * math.sqrt(1 - WHITE**2))
        elif name.endswith("mix_factor"):
            p.normal_(0, 1)
        elif name.endswith(".weight"):  # a norm's
            p.uniform_(0.75, 1.25)
        else:
            p.normal_(0, 0.1)
        p.copy_(p.half())


def publish(model, folder, file, params):
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    count = sum(v.numel() for v in state.values())
    assert params in (None, count), f"{folder}: {count} parameters, published are {params}"
    save_file(state, folder / file)
    print(f"{folder}: {len(state)} tensors, {count} parameters")


def watch_sizes(model):
    """Deviation of every block's output, by name."""
    sizes = {}

    def hook(name):
        def note(_, args, out):
            out = out[0] if isinstance(out, tuple) else out
            if torch.is_tensor(out):
                sizes[name] = float(out.double().std())
        return note
    blocks = ("ResnetBlock2D", "TemporalResnetBlock", "SpatioTemporalResBlock", "TransformerSpatioTemporalModel",
              "BasicTransformerBlock", "TemporalBasicTransformerBlock", "Attention", "CLIPEncoderLayer", "Upsample2D",
              "Downsample2D")
    for name, m in model.named_modules():
        if type(m).__name__ in blocks:
            m.register_forward_hook(hook(name))
    return sizes


# ------------------------------------------------------------------ runs

def distance(a, b):
    a, b = a.double().flatten(), b.double().flatten()
    return float((a - b).norm() / b.norm()), float(a @ b / (a.norm() * b.norm())), float((a - b).abs().max())


def run(name, model, folder, config, calls, truth, scale):
    """calls: (case, kind, input, function of (type, input in that type)). Writes the inputs and Python's outputs."""
    record, sizes = Record(folder), watch_sizes(model)
    wants = []
    model.to(truth)
    for case, kind, given, call in calls:
        want = call(given.to(truth))
        wants.append(want.float())
        record.line(kind, case, given, want)
    low, high = min(sizes, key=sizes.get), max(sizes, key=sizes.get)
    print(f"{name}: deviations of {len(sizes)} blocks' outputs from {sizes[low]:.2f} ({low}) to {sizes[high]:.2f} ({high})")
    assert 0.05 < sizes[low] and sizes[high] < 20, f"{name}: its numbers do not stay near 1"
    for type_name in scale:
        model.to(HALF[type_name])
        for (case, _, given, call), want in zip(calls, wants):
            relative, cosine, worst = distance(call(given.to(HALF[type_name])).float(), want)
            print(f"PyTorch {type_name} {name:<6} {case:<7} relative {relative:.2e}, cosine {cosine:.7f}, worst {worst:.2e}")
    return record


def make_unet(name, o, dev, folder):
    config = dict(in_channels=UNETS[name]["in_channels"], out_channels=4, **o["unet"])
    with torch.device(dev):
        model = UNetSpatioTemporalConditionModel(**config).eval().to(dev)
    fill(model)
    publish(model, folder, "diffusion_pytorch_model.safetensors", o["params"].get(name))
    return model, dict(_class_name="UNetSpatioTemporalConditionModel", **config)


def unet(name, o, dev, folder, truth, scale):
    spec = UNETS[name]
    model, config = make_unet(name, o, dev, folder)
    frames, h, w = o["frames"], o["size"][0] // 8, o["size"][1] // 8
    sample = torch.randn(1, frames, spec["in_channels"], h, w, device=dev)
    context = torch.randn(frames if name == "unet8" else 1, 1, config["cross_attention_dim"], device=dev)

    # DepthCrafter's unet.py is this forward, given a token for each frame instead of repeating one.
    def per_frame(m, args, kwargs):
        kwargs["encoder_hidden_states"] = context.to(m.proj_in.weight.dtype).expand(frames, -1, -1)
        return args, kwargs
    for m in model.modules():
        if type(m).__name__ == "TransformerSpatioTemporalModel":
            m.register_forward_pre_hook(per_frame, with_kwargs=True)

    # Python's ids are numbers of the network's own type; ours stay float32.
    def call(x):
        return model(x[None], torch.tensor(spec["timestep"], device=dev), context[:1].to(x.dtype),
                     added_time_ids=torch.tensor([spec["ids"]], dtype=torch.float32, device=dev), return_dict=False)[0][0]
    record = run(name, model, folder, config, [("unet", "unet", sample[0], call)], truth, scale)
    record.keep(context[:, 0], "context")
    record.write(config)


def pictures(n, o, dev):
    """Smooth ones, 0..1: noise alone is grey after CLIP's shrinking."""
    h, w = o["size"]
    small = torch.rand(n, 3, h // 16, w // 16, device=dev)
    return torch.nn.functional.interpolate(small, size=(h, w), mode="bicubic").clamp(0, 1)


def make_vae(o, dev, folder):
    config = dict(in_channels=3, out_channels=3, latent_channels=4, scaling_factor=0.18215, force_upcast=True,
                  sample_size=768, down_block_types=("DownEncoderBlock2D",) * 4, **o["vae"])
    with torch.device(dev):
        model = AutoencoderKLTemporalDecoder(**config).eval().to(dev)
    fill(model)
    publish(model, folder, "diffusion_pytorch_model.fp16.safetensors", o["params"].get("vae"))
    return model, dict(_class_name="AutoencoderKLTemporalDecoder", **config)


def vae(o, dev, folder, truth, scale):
    model, config = make_vae(o, dev, folder)
    n = o["vae_frames"]
    latents = torch.randn(n, 4, o["size"][0] // 8, o["size"][1] // 8, device=dev)

    def encode(x):  # frame by frame, which changes nothing
        return torch.cat([model.encode(f[None]).latent_dist.mode() for f in x])
    calls = [("encode", "vae_encode", pictures(n, o, dev) * 2 - 1, encode),
             ("decode", "vae_decode", latents, lambda x: model.decode(x, num_frames=n).sample)]
    run("vae", model, folder, config, calls, truth, scale).write(config)


def make_clip(o, dev, folder):
    config = dict(hidden_act="gelu", layer_norm_eps=1e-5, num_channels=3, **o["clip"])
    with torch.device(dev):
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config)).eval().to(dev)
    fill(model)
    publish(model, folder, "model.fp16.safetensors", o["params"].get("clip"))
    return model, dict(architectures=["CLIPVisionModelWithProjection"], **config)


def clip(o, dev, folder, truth, scale):
    model, config = make_clip(o, dev, folder)

    def call(images):
        size = config["image_size"]
        small = (antialiased_resize(images.double().cpu() * 2 - 1, size) + 1) / 2
        return model(((small - CLIP_MEAN) / CLIP_STD).to(images)).image_embeds
    # Pictures of 0..1 in half precision are other pictures: the types meet behind the resize.
    images = pictures(o["vae_frames"], o, dev).half().float()
    run("clip", model, folder, config, [("embed", "clip", images, call)], truth, scale).write(config)


# ------------------------------------------------------------------ pipelines

# All steps; windows, chunks and tiles as few as show how they meet. In fp32 a frame of 1024x576 takes a UNet 0.1 s.
FULL_PIPELINE = dict(depth_size=(576, 1024), depth_frames=8, depth_window=5, depth_overlap=2, depth_steps=8,
                     depth_guidance=1.2, inpaint_size=(1030, 1030), inpaint_frames=6, inpaint_window=4, inpaint_overlap=1,
                     inpaint_steps=8, tile=1024, tiles=(2, 1))
SMALL_PIPELINE = dict(reference_pipeline.TOY, rows=1)


def psnr(a, b):
    """Of the frames that two runs recorded."""
    error = [(load_file(f)[f.stem] - load_file(b / f.name)[f.stem]).square().mean() for f in sorted(a.glob("inpaint.frame.*"))]
    return -10 * math.log10(sum(error) / len(error)) if sum(error) else math.inf


def compare_ways(program, folder, models, dev, more):
    """What leaving the reference costs and saves, on a disparity that is given."""
    ways = {"reference": ["--fidelity", "reference"],
            "reference without guidance": ["--fidelity", "reference", "--inpaint-guidance", "1"],
            "default": [], "fast": ["--fidelity", "fast"]}
    seconds = {}
    for k, (way, options) in enumerate(ways.items()):
        begin = time.time()
        common = [program, "-y", "-f", "null", "--progress", "json", "--log-level", "error", "--models", models, "--device", dev,
                  "--cache-dir", "none", "--depth", folder / "depth.mkv", *more, *options, folder / "wide.mkv"]
        said = subprocess.run([*common, "--dump", folder / f"way{k}"], check=True, stderr=subprocess.PIPE, text=True).stderr
        seconds[way] = json.loads(said.strip().splitlines()[-1])["seconds"]
        base = 0 if k < 2 else 2
        print(f"{way}: {seconds[way]:.2f} s, {psnr(folder / f'way{k}', folder / f'way{base}'):.1f} dB from {list(ways)[base]} "
              f"(random weights)", flush=True)


def pipeline(a, o, p, dev, truth):
    folder, svd = a.dir / "pipeline", a.dir / SVD
    parity = Path(a.golden).parent / "parity"
    nets = {}
    for name, make, place in (("unet8", partial(make_unet, "unet8"), a.dir / "DepthCrafter"),
                              ("unet9", partial(make_unet, "unet9"), a.dir / "StereoCrafter/unet_diffusers"),
                              ("vae", make_vae, svd / "vae"), ("clip", make_clip, svd / "image_encoder")):
        nets[name], config = make(o, dev, place)
        nets[name].to(truth)
        (place / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    inputs = reference_pipeline.write_inputs(folder, p)
    begin = time.time()
    reference_pipeline.run_program(a.pipeline, folder, a.dir, "--device", dev, "--precision", "fp32")
    half = time.time()
    reference_pipeline.write_expected(folder, reference_pipeline.Nets(**nets), p, *inputs)
    print(f"{p['depth_frames']} frames of {p['depth_size'][1]}x{p['depth_size'][0]} in windows of {p['depth_window']}, "
          f"{p['inpaint_frames']} of {p['inpaint_size'][1]}x{p['inpaint_size'][0]} in chunks of {p['inpaint_window']} and "
          f"{p['tiles'][0]}x{p['tiles'][1]} tiles: {half - begin:.0f} s, Python {time.time() - half:.0f} s", flush=True)
    failed = [subprocess.run([parity, folder / "expected.safetensors", folder / part, "1e-3", *stages]).returncode
              for part, stages in (("depth", ["depth."]), ("inpaint", ["splat.", "inpaint."]))]
    nets.clear()
    if dev != "cpu":
        torch.cuda.empty_cache()
    subprocess.run([a.pipeline, "--bench", folder / "film.mkv", "--frames", str(min(5, p["depth_frames"])), "--models", a.dir,
                    "--device", dev, "--cache-dir", "none", "--dump", folder / "precisions"], check=True)
    compare_ways(a.pipeline, folder, a.dir, dev, [] if dev != "cpu" else (folder / "options").read_text().split()[3:])
    return any(failed)


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("golden")
    ap.add_argument("dir", type=Path)
    ap.add_argument("--device", default="cuda")
    ap.add_argument("--small", action="store_true")
    ap.add_argument("--pipeline", metavar="PROGRAM")
    ap.add_argument("--precision", help="of GOLDEN, several with commas between")
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    o, dev = (SMALL, "cpu") if a.small else (FULL, a.device)
    if dev.startswith("cuda") and not torch.cuda.is_available():
        print("skipped: no GPU that PyTorch can use; --small does without")
        sys.exit(77)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(a.seed)
    truth = torch.float64 if dev == "cpu" else torch.float32
    scale = () if dev == "cpu" else ("fp16", "bf16")
    if a.pipeline:
        with torch.no_grad():
            sys.exit(pipeline(a, o, SMALL_PIPELINE if a.small else FULL_PIPELINE, dev, truth))
    with torch.no_grad():
        for part in (lambda: unet("unet8", o, dev, a.dir / "DepthCrafter", truth, scale),
                     lambda: unet("unet9", o, dev, a.dir / "StereoCrafter/unet_diffusers", truth, scale),
                     lambda: vae(o, dev, a.dir / SVD / "vae", truth, scale),
                     lambda: clip(o, dev, a.dir / SVD / "image_encoder", truth, scale)):
            part()
            if dev != "cpu":
                torch.cuda.empty_cache()

    failed = 0
    precisions = a.precision.split(",") if a.precision else ["fp32"] if dev == "cpu" else ["fp32", "tf32", "fp16", "bf16", "fp8"]
    for p in precisions:
        sys.stdout.flush()
        failed += subprocess.run([a.golden, "--device", dev, "--full", p, a.dir]).returncode != 0
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
