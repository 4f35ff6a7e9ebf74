#!/usr/bin/env python3
"""Golden numbers for the published networks: toy-sized diffusers and transformers models in float64.

    pip install torch diffusers transformers safetensors      (CPU builds will do)
    scripts/make_golden.py            writes tests/golden/data/{unet8,unet9,vae,clip} and tests/unit/sampler_tables.h
    scripts/make_golden.py MODELS     also writes the toy models as a folder of published weights

Weights are not stored: each is a formula of its tensor's name and index (weight() here, toy.c in C), with few
enough bits to be exact in half precision. A data folder holds
    config.json          the network's own
    weights.tsv          name and shape of every tensor
    blocks.tsv           what to run: kind, name, input, output, epsilons, heads
    blocks.safetensors   inputs and outputs, channels last, f32
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D, SpatioTemporalResBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from diffusers.models.upsampling import Upsample2D
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests/golden/data"
CONTEXT = 48  # width of the token that CLIP gives to the UNets
# preprocessor_config.json of the published image encoder
CLIP_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073], dtype=torch.float64).view(1, 3, 1, 1)
CLIP_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711], dtype=torch.float64).view(1, 3, 1, 1)


# ------------------------------------------------------------------ weights

def uniform(name, count):
    """-1 .. 127/128 in steps of 1/128: the top byte of splitmix64, seeded by FNV-1a of the name."""
    seed = 0xcbf29ce484222325
    for c in name.encode():
        seed = (seed ^ c) * 0x100000001b3 & 0xffffffffffffffff
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(56)).astype(np.float64) - 128) / 128


def weight(name, shape):
    count = int(np.prod(shape))
    u = uniform(name, count)
    if len(shape) > 1:  # keeps the size of what passes through
        scale = 1.0
        while scale * scale * (count // shape[0]) > 3:
            scale /= 2
        u = u * scale
    elif name.endswith("mix_factor"):
        u = u * 2
    elif name.endswith(".weight"):  # a norm's
        u = 1 + u / 4
    else:
        u = u / 4
    return torch.from_numpy(u.reshape(shape))


def fill(model):
    state = {k: weight(k, tuple(v.shape)) for k, v in model.state_dict().items() if v.is_floating_point()}
    for value in state.values():
        assert torch.equal(value, value.half().double())
    model.double().eval().load_state_dict(state, strict=False)
    return state


# ------------------------------------------------------------------ what a run leaves behind

class Record:
    def __init__(self, folder):
        self.folder, self.tensors, self.lines, self.known = folder, {}, [], {}

    def keep(self, t, name):
        """Stores a tensor once, [N,C,H,W] as [N,H,W,C]; returns its name."""
        t = t.detach().double()
        if t.ndim == 4:
            t = t.permute(0, 2, 3, 1)
        t = t.contiguous().float().cpu()
        key = (tuple(t.shape), t.numpy().tobytes())
        if key not in self.known:
            self.known[key] = name
            self.tensors[name] = t
        return self.known[key]

    def line(self, kind, name, given, made, eps=(0, 0), heads=0):
        given = self.keep(given, name + ":in")
        made = self.keep(made, name + ":out")
        self.lines.append(f"{kind}\t{name}\t{given}\t{made}\t{eps[0]:g}\t{eps[1]:g}\t{heads}\n")

    def write(self, model_config):
        self.folder.mkdir(parents=True, exist_ok=True)
        used = {field for line in self.lines for field in line.split("\t")[2:4]} | {"temb", "context"}
        save_file({k: v for k, v in self.tensors.items() if k in used}, self.folder / "blocks.safetensors")
        (self.folder / "blocks.tsv").write_text("".join(self.lines))
        (self.folder / "config.json").write_text(json.dumps(model_config, indent=2) + "\n")

    def list_weights(self, state):
        (self.folder / "weights.tsv").write_text(
            "".join(f"{k}\t{','.join(map(str, v.shape))}\n" for k, v in state.items()))


def hook(model, record):
    """Records every block of the tree, outermost ones only."""
    def kind_of(m):
        if isinstance(m, SpatioTemporalResBlock):
            spatial, temporal = m.spatial_res_block, m.temporal_res_block
            kind = "st_resblock" if m.time_mixer.switch_spatial_to_temporal_mix is False else "st_resblock_switched"
            return kind, (spatial.norm1.eps, temporal.norm1.eps), 0
        if isinstance(m, ResnetBlock2D):
            return "resblock", (m.norm1.eps, 0), 0
        if isinstance(m, TransformerSpatioTemporalModel):
            return "transformer", (0, 0), m.num_attention_heads
        if isinstance(m, Attention):
            return "attention", (m.group_norm.eps, 0), m.heads
        if isinstance(m, Downsample2D):
            return ("down" if m.padding else "down_right"), (0, 0), 0
        if isinstance(m, Upsample2D):
            return "up", (0, 0), 0
        return None

    def visit(m, name):
        found = kind_of(m)
        if not found:
            for k, child in m.named_children():
                visit(child, f"{name}.{k}" if name else k)
            return
        kind, eps, heads = found

        def record_it(_, args, out):
            record.line(kind, name, args[0], out[0] if isinstance(out, tuple) else out, eps, heads)
        m.register_forward_hook(record_it)

    visit(model, "")


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float().double()


# ------------------------------------------------------------------ networks

# Sizes leave each group of a norm some eight numbers at the deepest level. With two, a norm is little more than a sign, and
# PyTorch's own float32 is off by 1e-4.
UNETS = {
    # DepthCrafter's form: eight channels, one token a frame
    "unet8": dict(in_channels=8, block_out_channels=(32, 64, 32, 64), num_attention_heads=(1, 2, 4, 1),
                  layers_per_block=2, shape=(3, 8, 16), tokens=3, ids=(7, 127, 0.02), timestep=1.63777006),
    # StereoCrafter's form: nine channels, one token for all
    "unet9": dict(in_channels=9, block_out_channels=(64, 32, 96, 64), num_attention_heads=(2, 1, 3, 4),
                  layers_per_block=1, shape=(2, 8, 16), tokens=1, ids=(6, 127, 0), timestep=-0.582263887),
}


def make_unet(name):
    spec = UNETS[name]
    config = {k: spec[k] for k in ("in_channels", "block_out_channels", "num_attention_heads", "layers_per_block")}
    config.update(out_channels=4, cross_attention_dim=CONTEXT, addition_time_embed_dim=32,
                  projection_class_embeddings_input_dim=96)
    model = UNetSpatioTemporalConditionModel(**config)
    state, record = fill(model), Record(DATA / name)
    frames, h, w = spec["shape"]
    sample = random(1, frames, spec["in_channels"], h, w, seed=1)
    context = random(spec["tokens"], 1, CONTEXT, seed=2)
    record.keep(context[:, 0], "context")
    hook(model, record)
    embedded = []
    model.time_embedding.register_forward_hook(lambda m, a, out: embedded.append(out))
    model.add_embedding.register_forward_hook(lambda m, a, out: embedded.append(out))

    # DepthCrafter's unet.py is this forward, given a token for each frame instead of repeating one.
    def per_frame(m, args, kwargs):
        kwargs["encoder_hidden_states"] = context.expand(frames, -1, -1)
        return args, kwargs
    for m in model.modules():
        if isinstance(m, TransformerSpatioTemporalModel):
            m.register_forward_pre_hook(per_frame, with_kwargs=True)

    timestep = torch.tensor(spec["timestep"], dtype=torch.float32)
    ids = torch.tensor([spec["ids"]], dtype=torch.float32)
    with torch.no_grad():
        out = model(sample, timestep, context[:1], added_time_ids=ids, return_dict=False)[0]
    record.keep(torch.nn.functional.silu(embedded[0] + embedded[1]), "temb")
    record.line("unet", "unet", sample[0], out[0])
    record.write(dict(_class_name="UNetSpatioTemporalConditionModel", **config))
    record.list_weights(state)
    return state


def make_vae():
    config = dict(in_channels=3, out_channels=3, block_out_channels=(32, 64, 32, 64), layers_per_block=2,
                  latent_channels=4, scaling_factor=0.18215, force_upcast=True, sample_size=64,
                  down_block_types=("DownEncoderBlock2D",) * 4)
    model = AutoencoderKLTemporalDecoder(**config)
    state, record = fill(model), Record(DATA / "vae")
    hook(model, record)
    images, latents = random(2, 3, 16, 16, seed=3), random(3, 4, 2, 2, seed=4)
    with torch.no_grad():
        record.line("vae_encode", "encode", images, model.encode(images).latent_dist.mode())
        record.line("vae_decode", "decode", latents, model.decode(latents, num_frames=3).sample)
    record.write(dict(_class_name="AutoencoderKLTemporalDecoder", **config))
    record.list_weights(state)
    return state


def antialiased_resize(image, size):
    """stereo_video_inpainting.py _resize_with_antialiasing() for [N,3,H,W], written anew in float64."""
    def blur(t, n, axis):
        sigma = max((n / size - 1) / 2, 0.001)
        k = int(max(4 * sigma, 3))
        k += k % 2 == 0
        x = torch.arange(k, dtype=torch.float64) - k // 2
        taps = torch.exp(-x * x / (2 * sigma * sigma))
        taps = taps / taps.sum()
        pad = [0, 0, 0, 0]
        pad[2 * axis] = pad[2 * axis + 1] = k // 2
        t = torch.nn.functional.pad(t, pad, mode="reflect")
        kernel = taps.view(1, 1, 1, k) if axis == 0 else taps.view(1, 1, k, 1)
        return torch.nn.functional.conv2d(t, kernel.expand(3, 1, *kernel.shape[2:]), groups=3)
    t = blur(blur(image, image.shape[3], 0), image.shape[2], 1)
    return torch.nn.functional.interpolate(t, size=(size, size), mode="bicubic", align_corners=True)


def make_clip():
    config = dict(hidden_size=40, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, image_size=28,
                  patch_size=7, projection_dim=CONTEXT, hidden_act="gelu", layer_norm_eps=1e-5, num_channels=3)
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    state, record = fill(model), Record(DATA / "clip")
    for name, shape in (("shrink", (2, 3, 37, 90)), ("enlarge", (1, 3, 20, 24)), ("square", (1, 3, 28, 28))):
        images = (torch.rand(*shape, generator=torch.Generator().manual_seed(5)) * 255).floor().double() / 255
        images = images.float().double()
        pixels = ((antialiased_resize(images * 2 - 1, 28) + 1) / 2 - CLIP_MEAN) / CLIP_STD
        with torch.no_grad():
            record.line("clip", name, images, model(pixels).image_embeds)
    record.write(dict(architectures=["CLIPVisionModelWithProjection"], **config))
    record.list_weights(state)
    return state


# ------------------------------------------------------------------ sampler

def make_sampler():
    samples = 4
    c_array = lambda t: "{ " + ", ".join(f"{float(v):.9g}f" if "." in f"{float(v):.9g}" or "e" in f"{float(v):.9g}"
                                         else f"{float(v):.9g}.0f" for v in t) + " }"
    rows = []
    for steps in (1, 5, 8, 25):
        s = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                   num_train_timesteps=1000, prediction_type="v_prediction",
                                   interpolation_type="linear", use_karras_sigmas=True, sigma_min=0.002,
                                   sigma_max=700.0, timestep_spacing="leading", timestep_type="continuous",
                                   steps_offset=1)
        s.set_timesteps(steps)
        init = float(s.init_noise_sigma)
        v = random(steps, samples, seed=6).float()
        x = [random(samples, seed=7).float() * init]
        scaled = []
        for i, t in enumerate(s.timesteps):
            scaled.append(s.scale_model_input(x[-1], t))
            x.append(s.step(v[i], t, x[-1]).prev_sample)
        rows.append("    { .steps = %d,\n      .init = %.9gf,\n      .sigma = %s,\n      .timestep = %s,\n"
                    % (steps, init, c_array(s.sigmas), c_array(s.timesteps))
                    + "".join("      .%s = { %s },\n" % (n, ",\n        ".join(c_array(r) for r in table))
                              for n, table in (("latents", x), ("scaled", scaled), ("v", v))) + "    },\n")
    (ROOT / "tests/unit/sampler_tables.h").write_text(
        "/* clang-format off */\n"
        "/* Written by scripts/make_golden.py: diffusers' EulerDiscreteScheduler as Stable Video Diffusion configures\n"
        " * it, and what its steps make of random latents and predictions. */\n"
        f"enum {{ SAMPLES = {samples}, STEPS = 25 }};\n\n"
        "typedef struct sampler_table {\n    int steps;\n    float init, sigma[STEPS + 1], timestep[STEPS];\n"
        "    float latents[STEPS + 1][SAMPLES], scaled[STEPS][SAMPLES], v[STEPS][SAMPLES];\n} sampler_table;\n\n"
        "static const sampler_table sampler_tables[] = {\n" + "".join(rows) + "};\n")


def main():
    torch.manual_seed(0)
    states = {"unet8": make_unet("unet8"), "unet9": make_unet("unet9"), "vae": make_vae(), "clip": make_clip()}
    make_sampler()
    if len(sys.argv) > 1:
        svd = "stable-video-diffusion-img2vid-xt-1-1"
        for name, place in (("unet8", "DepthCrafter/diffusion_pytorch_model.safetensors"),
                            ("unet9", "StereoCrafter/unet_diffusers/diffusion_pytorch_model.safetensors"),
                            ("vae", f"{svd}/vae/diffusion_pytorch_model.fp16.safetensors"),
                            ("clip", f"{svd}/image_encoder/model.fp16.safetensors")):
            path = Path(sys.argv[1]) / place
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({k: v.half().contiguous() for k, v in states[name].items()}, path)
            (path.parent / "config.json").write_text((DATA / name / "config.json").read_text())


if __name__ == "__main__":
    main()
