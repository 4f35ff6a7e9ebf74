"""What StereoCrafter's scripts do around their networks, written anew: DepthCrafter's windows, the forward warp, and
inpainting in chunks and tiles. Every stage's tensors are kept under the names that --dump gives them, channels last.

    scripts/reference_pipeline.py PROGRAM GOLDEN      writes tests/golden/data/pipeline: toys on films of a few frames

scripts/compare_reference.py --pipeline uses this for networks of full size.
"""
import json
import math
import shutil
import subprocess
import sys
import tempfile

import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from safetensors.torch import load_file, save_file
from torch.nn.functional import interpolate
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from make_golden import CLIP_MEAN, CLIP_STD, DATA, antialiased_resize
from make_golden import fill as fill_toy

SCALING = 0.18215  # of the VAE's latents
MAX_DISP, STRENGTH = 20, 1.414
CROP, TILE_OVERLAP = 128, 128


class Nets:
    """The networks as functions of tensors [N,C,H,W] in one type on one device."""

    def __init__(self, unet8, unet9, vae, clip):
        self.models = dict(unet8=unet8, unet9=unet9, vae=vae, clip=clip)
        self.dtype, self.device = unet8.dtype, unet8.device
        self.context = None
        for m in unet8.modules():  # DepthCrafter's unet.py: a token for each frame
            if type(m).__name__ == "TransformerSpatioTemporalModel":
                m.register_forward_pre_hook(self._per_frame, with_kwargs=True)

    def _per_frame(self, module, args, kwargs):
        kwargs["encoder_hidden_states"] = self.context
        return args, kwargs

    def embed(self, frame):
        """[N,3,H,W] in 0..1 -> [N,D]"""
        clip = self.models["clip"]
        small = (antialiased_resize(frame.double().cpu() * 2 - 1, clip.config.image_size) + 1) / 2
        return clip(((small - CLIP_MEAN) / CLIP_STD).to(frame)).image_embeds

    def encode(self, frames):
        """[N,3,H,W] in -1..1 -> [N,4,h,w], the mean, not scaled; frame by frame, which changes nothing"""
        return torch.cat([self.models["vae"].encode(f[None]).latent_dist.mode() for f in frames])

    def decode(self, latents, together):
        """[N,4,h,w] -> [N,3,H,W] in 0..1, so many frames at a time, each group by itself"""
        vae = self.models["vae"]
        made = [vae.decode(x / SCALING, num_frames=len(x)).sample for x in latents.split(together)]
        return (torch.cat(made) / 2 + 0.5).clamp(0, 1)

    def predict(self, name, x, t, tokens, ids):
        """[F,C,h,w] -> [F,4,h,w]; tokens [F,D] or [1,D]"""
        self.context = tokens[:, None].expand(len(x), -1, -1)
        ids = torch.tensor([ids], dtype=torch.float32, device=self.device)
        return self.models[name](x[None], t, tokens[:1, None], added_time_ids=ids, return_dict=False)[0][0]


def scheduler(steps):
    s = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                               num_train_timesteps=1000, prediction_type="v_prediction", interpolation_type="linear",
                               use_karras_sigmas=True, sigma_min=0.002, sigma_max=700.0, timestep_spacing="leading",
                               timestep_type="continuous", steps_offset=1)
    s.set_timesteps(steps)
    return s


def keep(made, name, t):
    """[C,h,w] or [N,C,h,w] -> channels last"""
    made[name] = t.movedim(-3, -1).float().cpu().contiguous()


def denoise(nets, net, latents, given, none, tokens, ids, guidance, steps, note):
    """given, none: the channels beside the noise with and without the picture."""
    s = scheduler(steps)
    for i, t in enumerate(s.timesteps):
        # scale_model_input() and step() written out: the latter rounds latents to the type of v and float32.
        sigma, after = s.sigmas[i].double(), s.sigmas[i + 1].double()
        scaled = latents / (sigma ** 2 + 1).sqrt()
        v = nets.predict(net, torch.cat([scaled, given], 1), t, tokens, ids)
        if guidance > 1:
            v_none = nets.predict(net, torch.cat([scaled, none], 1), t, torch.zeros_like(tokens), ids)
            v = v_none + guidance * (v - v_none)
        x0 = v * (-sigma / (sigma ** 2 + 1).sqrt()) + latents / (sigma ** 2 + 1)
        latents = (latents + (latents - x0) / sigma * (after - sigma)).to(v)
        note(i, latents)
    return latents


# ------------------------------------------------------------------ depth (depth_crafter_ppl.py)

def windows(count, window, overlap):
    """[(begin, end)] of the published loop."""
    if count <= window:
        return [(0, count)]
    return [(b, min(b + window, count)) for b in range(0, count - overlap, window - overlap)]


def depth(nets, frames, noise, o):
    """frames [T,3,H,W] in 0..1, sides multiples of 64; noise: the file's tensors. Returns the stages' tensors."""
    made = {}
    to = lambda t: t.to(nets.device, nets.dtype)
    frames, count = to(frames), len(frames)
    overlap = o["depth_overlap"] if count > o["depth_window"] else 0
    init = math.sqrt(700 ** 2 + 1)
    embeds = torch.cat([nets.embed(f[None]) for f in frames])
    pictures = nets.encode(frames * 2 - 1 + 0.02 * to(noise["depth.image"][:count].movedim(-1, 1)))
    for n in range(count):
        made[f"depth.clip.{n:06d}"] = embeds[n:n + 1].float().cpu()
        keep(made, f"depth.picture.{n:06d}", pictures[n:n + 1])
    pool, done = to(noise["depth.latents"].movedim(-1, 1)) * init, None
    for begin, end in windows(count, o["depth_window"], o["depth_overlap"]):
        latents = pool[:end - begin].clone()
        if overlap:
            pool = torch.cat([pool[-overlap:], pool[:-overlap]])
        if done is not None:
            latents[:overlap] = done[-overlap:] + latents[:overlap] / init * 700
        given = pictures[begin:end]
        latents = denoise(nets, "unet8", latents, given, torch.zeros_like(given), embeds[begin:end], (7, 127, 0.02),
                          o["depth_guidance"], o["depth_steps"],
                          lambda i, t: keep(made, f"depth.step{i}.{begin:06d}", t))
        if done is None:
            done = latents
        else:
            w = torch.linspace(0, 1, overlap).view(-1, 1, 1, 1).to(latents)
            done = torch.cat([done[:-overlap], latents[:overlap] * w + done[-overlap:] * (1 - w), latents[overlap:]])
    for n in range(count):
        keep(made, f"depth.merged.{n:06d}", done[n])
    planes = nets.decode(done, 8).mean(1, keepdim=True)
    for n in range(count):
        keep(made, f"depth.decoded.{n:06d}", planes[n:n + 1])
    large = interpolate(planes, size=frames.shape[2:], mode="bilinear", align_corners=False)
    large = (large - large.min()) / (large.max() - large.min())
    for n in range(count):
        keep(made, f"depth.final.{n:06d}", large[n])
    return made


# ------------------------------------------------------------------ warp (depth_splatting_inference.py, Forward_Warp)

def splat(left, disparity):
    """left [T,3,H,W], disparity [T,1,H,W], 0..1. Where a pixel lands is rounded as there, in float32; sums are not."""
    shift = (disparity.float() * 2 - 1) * MAX_DISP
    count, _, h, w = left.shape
    at = torch.arange(w, dtype=torch.float32) - shift[:, 0]
    first = at.floor()
    near = (at - first).double()
    inside = (first >= 0) & (first + 1 < w)
    inside[:, -1] = False  # no row below
    weight = STRENGTH ** (shift[:, 0].double() - shift.double().min())
    row = torch.arange(count * h).view(count, h, 1) * w
    sums = []
    for value in [left[:, c].double() * weight for c in range(3)] + [weight, torch.ones_like(weight)]:
        sum_ = torch.zeros(count * h * w, dtype=torch.float64)
        for k, share in ((0, 1 - near), (1, near)):
            where = (row + first.long().clamp(0, w - 2) + k)[inside]
            sum_.index_add_(0, where, (value * share)[inside])
        sums.append(sum_.view(count, h, w))
    right = torch.stack(sums[:3], 1) / sums[3].clamp(min=1e-6)[:, None]
    return right.float(), (1 - sums[4].clamp(0, 1))[:, None].float()


# ------------------------------------------------------------------ inpainting (inpainting_inference.py)

def chunks(count, chunk, overlap):
    """[(begin, end, carried)] of the published loop; it makes nothing of `overlap` frames or fewer."""
    made = []
    for i in range(0, count, chunk - overlap):
        if i + overlap >= count:
            break
        begin, carried = i, overlap
        if made and i + chunk > count:
            begin = max(count + overlap - chunk, 0)
            carried = i - begin + overlap
        made.append((begin, min(begin + chunk, count), carried if made else 0))
    return made


def tiles(length, number):
    """[(begin, size)] along an axis."""
    size = (length + TILE_OVERLAP * (number - 1)) // number
    return [(k * (size - TILE_OVERLAP), size) for k in range(number)]


def blend(before, tile, axis):
    """Over n shared cells the later tile comes in by k/n; in place."""
    n = TILE_OVERLAP // 8
    old, new = before.narrow(axis, before.shape[axis] - n, n), tile.narrow(axis, 0, n)
    w = (torch.arange(n) / n).to(tile).view([-1 if a == axis else 1 for a in range(4)])
    new.copy_(old * (1 - w) + new * w)


def inpaint_chunk(nets, frames, mask, noise, o, made, begin):
    """[F,3,H,W] in 0..1, [F,1,H,W] -> latents [F,4,h,w]"""
    rows, columns = (tiles(n, k) for n, k in zip(frames.shape[2:], o["tiles"]))
    grid, canvas = {}, torch.empty_like(noise)
    for r, (y, h) in enumerate(rows):
        for c, (x, w) in enumerate(columns):
            part = frames[:, :, y:y + h, x:x + w]
            cells = (mask[:, :, y:y + h, x:x + w] >= 0.5).to(part)[:, :, ::8, ::8]
            token, given = nets.embed(part[:1]), nets.encode(part * 2 - 1)
            place = f"{begin:06d}.{y}.{x}"
            made[f"inpaint.clip.{place}"] = token.float().cpu()
            keep(made, f"inpaint.picture.{place}", given)
            keep(made, f"inpaint.mask.{place}", cells)
            given = torch.cat([given, cells], 1)
            latents = noise[:, :, y // 8:(y + h) // 8, x // 8:(x + w) // 8] * math.sqrt(700 ** 2 + 1)
            tile = denoise(nets, "unet9", latents, given, torch.zeros_like(given), token, (6, 127, 0), 1.01,
                           o["inpaint_steps"], lambda i, t: keep(made, f"inpaint.step{i}.{place}", t))
            if r:
                blend(grid[r - 1, c], tile, 2)
            if c:
                blend(grid[r, c - 1], tile, 3)
            grid[r, c] = tile
            canvas[:, :, y // 8:(y + h) // 8, x // 8:(x + w) // 8] = tile
    keep(made, f"inpaint.latents.{begin:06d}", canvas)
    return canvas


def inpaint(nets, warped, mask, noise, o, carry):
    """warped [T,3,H,W], mask [T,1,H,W]. carry: function of n, the frame that a chunk is given instead of the warped one.
    Returns the stages' tensors, of the cropped picture."""
    made = {}
    to = lambda t: t.to(nets.device, nets.dtype)
    h, w = (n // CROP * CROP for n in warped.shape[2:])
    warped, mask = to(warped[:, :, :h, :w]), to(mask[:, :, :h, :w])
    noise = to(noise["inpaint.latents"].movedim(-1, 1))
    for begin, end, carried in chunks(len(warped), o["inpaint_window"], o["inpaint_overlap"]):
        frames = warped[begin:end].clone()
        for k in range(carried):
            frames[k] = to(carry(begin + k))
        latents = inpaint_chunk(nets, frames, mask[begin:end], noise[begin:end], o, made, begin)
        for k, frame in enumerate(nets.decode(latents, 2)):
            if k >= carried:
                keep(made, f"inpaint.decoded.{begin + k:06d}", frame)
    return made


# ------------------------------------------------------------------ a film, and all of it

def film(count, h, w):
    """Codes [T,3,h,w] of 8 bits and [T,1,h,w] of 16: pictures and disparity of discs that move before a wall."""
    y, x = torch.meshgrid(torch.arange(h) / h, torch.arange(w) / w, indexing="ij")
    pictures, near = [], []
    for t in range(count):
        rgb = torch.stack([0.5 + 0.3 * torch.sin(9 * x + c + 5 * y) * torch.cos(14 * y - 0.2 * t) for c in range(3)])
        d = 0.2 + 0.2 * y
        for k in range(3):
            disc = (x - 0.25 * (k + 1) - 0.01 * t) ** 2 + (y - 0.3 - 0.2 * k) ** 2 < (0.09 + 0.03 * k) ** 2
            rgb = torch.where(disc, torch.tensor([0.2 + 0.3 * k, 0.8 - 0.3 * k, 0.4]).view(3, 1, 1) + 0.1 * torch.sin(40 * x),
                              rgb)
            d = torch.where(disc, 0.6 + 0.2 * k + 0.1 * x, d)
        pictures.append((rgb.clamp(0, 1) * 255).round())
        near.append((d.clamp(0, 1) * 65535).round()[None])
    return torch.stack(pictures).to(torch.uint8), torch.stack(near).to(torch.int32)


def write_film(path, codes):
    """FFV1 of [T,3,h,w] of 8 bits or [T,1,h,w] of 16."""
    count, channels, h, w = codes.shape
    grey = channels == 1
    raw = codes[:, 0].to(torch.int32).numpy().astype("<u2") if grey else codes[:, [1, 2, 0]].contiguous().numpy()
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray16le" if grey else "gbrp", "-s", f"{w}x{h}",
                    "-r", "25", "-i", "-", "-c:v", "ffv1", "-level", "3", "-coder", "1", path], input=raw.tobytes(), check=True)


def write_inputs(folder, o):
    """film.mkv; wide.mkv and its depth.mkv; noise.safetensors; options. Returns what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(3)
    (h, w), (wide_h, wide_w) = o["depth_size"], o["inpaint_size"]
    pictures, _ = film(o["depth_frames"], h, w)
    wide, near = film(o["inpaint_frames"], wide_h, wide_w)
    write_film(folder / "film.mkv", pictures)
    write_film(folder / "wide.mkv", wide)
    write_film(folder / "depth.mkv", near)
    cropped = [n // CROP * CROP // 8 for n in (wide_h, wide_w)]
    shapes = {"depth.latents": (min(o["depth_window"], o["depth_frames"]), h // 8, w // 8, 4),
              "depth.image": (o["depth_frames"], h, w, 3), "inpaint.latents": (o["inpaint_frames"], *cropped, 4)}
    # Rounded so that few bytes are needed of what is kept in the repository.
    noise = {k: (torch.randn(*s, generator=generator) * 8).round().div(8) for k, s in shapes.items()}
    save_file(noise, folder / "noise.safetensors")
    (folder / "options").write_text(
        f"--fidelity reference --crop --depth-window {o['depth_window']} --depth-overlap {o['depth_overlap']} "
        f"--depth-steps {o['depth_steps']} --inpaint-window {o['inpaint_window']} "
        f"--inpaint-overlap {o['inpaint_overlap']} --inpaint-steps {o['inpaint_steps']} --inpaint-tile {o['tile']}\n")
    # A program multiplies codes by what their unit is.
    return pictures.float() / 255, wide.float() / 255, near.float() * (torch.ones(()) / 65535), noise


def run_program(program, folder, models, *more):
    """Depth of film.mkv, and the other eye of wide.mkv; what they record goes below folder."""
    common = [program, "-y", "-f", "null", "--progress", "none", "--log-level", "warning", "--cache-dir", "none", "--models", models, "--noise",
              folder / "noise.safetensors", *(folder / "options").read_text().split(), *more]
    runs = [[*common, folder / "film.mkv", "--inpaint", "none", "--dump", folder / "depth"],
            [*common, folder / "wide.mkv", "--depth", folder / "depth.mkv", "--dump", folder / "inpaint"]]
    for run in runs:
        subprocess.run(run, check=True)


def write_expected(folder, nets, o, pictures, wide, disparity, noise):
    """expected.safetensors. The program has run: it is given what it carried over, since where a number is rounded to 8
    bits the other way says nothing of the stages after."""
    def carried(n):
        return load_file(folder / f"inpaint/inpaint.frame.{n:06d}.safetensors")[f"inpaint.frame.{n:06d}"].movedim(-1, 0)
    with torch.no_grad():
        made = depth(nets, pictures, noise, o)
        right, hole = splat(wide, disparity)
        for n in range(len(wide)):
            keep(made, f"splat.right.{n:06d}", right[n])
            keep(made, f"splat.hole.{n:06d}", hole[n])
        made.update(inpaint(nets, right, hole, noise, o, carried))
    rows = o.get("rows", 1)  # of large pictures some are enough
    save_file({k: v[..., ::rows, :, :].contiguous() if v.ndim > 2 and v.shape[-3] >= 64 else v for k, v in made.items()},
              folder / "expected.safetensors")


def toys():
    kinds = dict(unet8=UNetSpatioTemporalConditionModel, unet9=UNetSpatioTemporalConditionModel,
                 vae=AutoencoderKLTemporalDecoder, clip=lambda **c: CLIPVisionModelWithProjection(CLIPVisionConfig(**c)))
    nets = {}
    for name, kind in kinds.items():
        config = json.loads((DATA / name / "config.json").read_text())
        nets[name] = kind(**{k: v for k, v in config.items() if k not in ("_class_name", "architectures")})
        fill_toy(nets[name])
    return Nets(**nets)


TOY = dict(depth_size=(64, 128), depth_frames=5, depth_window=3, depth_overlap=1, depth_steps=3, depth_guidance=1.2,
           inpaint_size=(140, 390), inpaint_frames=5, inpaint_window=4, inpaint_overlap=1, inpaint_steps=2, tile=256,
           tiles=(1, 2), rows=16)


def main():
    program, golden = sys.argv[1:]
    folder = DATA / "pipeline"
    with tempfile.TemporaryDirectory() as models:
        subprocess.run([golden, "--models", models, DATA], check=True)
        inputs = write_inputs(folder, TOY)
        run_program(program, folder, models)
        write_expected(folder, toys(), TOY, *inputs)
    for part in "depth", "inpaint":
        shutil.rmtree(folder / part)


if __name__ == "__main__":
    main()
