#!/usr/bin/env python3
"""How good a depth network is, beside a vertical ramp, a constant and leaving the picture alone.

    evaluate.py WEIGHTS.safetensors... [--data FOLDER] [--scenes N] [--out FOLDER]

--data: a folder with depth/icl_living_room, stereo/motorcycle, stereo/vr180_plaza and video/*, of which clips give
flicker and a contact sheet. --scenes: fresh rendered scenes and stereo pairs. Prints tables; --out gets scores.json
and the sheets. Of several weights the first is the one in question.
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degrade import degrade
from generator import Generator
from losses import depth_scores, fit
from network import DepthNet, FillNet, load_weights
from sheets import heat, save_sheet, tone
from tasks import FillTask
from warp import match, psnr, right_eye, siou, ssim

SHORT_SIDE, STEP = 192, 16  # the program's --depth-size, and the network's
BATCH = 64
FRESH = 1 << 40  # seeds from here on are not for training
Networks = dict[str, DepthNet]
Scores = dict[str, dict[str, float]]


def network_size(height: int, width: int) -> tuple[int, int]:
    """As src/stages/depth_quick.c chooses it."""
    longer = round(SHORT_SIDE * min(max(height, width) / min(height, width), 3) / STEP) * STEP
    return (SHORT_SIDE, longer) if width >= height else (longer, SHORT_SIDE)


@torch.no_grad()
def predict(network: DepthNet, picture: Tensor) -> Tensor:
    """[n,H,W] at the size of picture [n,3,H,W]."""
    size = tuple(picture.shape[2:])
    small = F.interpolate(picture, size=network_size(*size), mode="bilinear", antialias=True)
    return F.interpolate(network(small)[:, None], size=size, mode="bilinear")[:, 0]


def ramp_like(disparity: Tensor) -> Tensor:
    return torch.linspace(0, 1, disparity.shape[1], device=disparity.device)[None, :, None].expand_as(disparity).contiguous()


def guesses_of(networks: Networks, picture: Tensor) -> dict[str, Tensor]:
    guesses = {name: predict(network, picture) for name, network in networks.items()}
    ramp = ramp_like(picture[:, 0])
    return guesses | {"vertical ramp": ramp, "constant": torch.zeros_like(ramp)}


def mean_scores(parts: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    total = sum(n for n, _ in parts)
    return {key: sum(n * part[key] for n, part in parts) / total for key in parts[0][1]}


def print_table(title: str, rows: Scores) -> None:
    columns = list(next(iter(rows.values())))
    print(f"\n{title}\n{'':20}" + "".join(f"{c:>13}" for c in columns))
    for name, row in rows.items():
        print(f"{name:20}" + "".join(f"{row[c]:13.4f}" for c in columns), flush=True)


# ---- rendered scenes


@torch.no_grad()
def compare_on_scenes(networks: Networks, generator: Generator, count: int, sheet: pathlib.Path) -> Scores:
    """Depth on fresh scenes, degraded like photographs."""
    height, width = 192, 336
    torch.manual_seed(5)
    parts: dict[str, list] = {}
    rows: list[Tensor] = []
    for begin in range(0, count, BATCH):
        n = min(BATCH, count - begin)
        scenes = generator.scenes(np.arange(n, dtype=np.uint64) + FRESH + begin, np.zeros(n), width / height)
        views = generator.render(scenes, height, width)
        picture, disparity = degrade(views.colour, views.disparity)
        guesses = guesses_of(networks, picture)
        for name, guess in guesses.items():
            scores = depth_scores(guess, disparity, torch.ones_like(disparity, dtype=torch.bool))
            parts.setdefault(name, []).append((n, scores))
        if begin < BATCH:
            shown = [picture, heat(disparity), *(heat(guesses[name]) for name in networks)]
            rows += [row[k : k + 8, :, ::2, ::2] for k in range(0, n - 7, 8) for row in shown]
    save_sheet(sheet, rows)
    table = {name: mean_scores(rows) for name, rows in parts.items()}
    print_table(f"{count} fresh scenes", table)
    return table


def eye_scores(made: Tensor, hole: Tensor, right: Tensor, left: Tensor) -> dict[str, float]:
    """hole: where the true right eye sees what the left does not, the same for all that are compared."""
    return {"PSNR": psnr(made, right), "SSIM": ssim(made, right), "SIoU": siou(made, right, left),
            "hole PSNR": psnr(made, right, hole)}


def compare_eyes(networks: Networks, left: Tensor, right: Tensor, truth: Tensor, valid: Tensor, hole: Tensor) -> Scores:
    """Right eyes from disparities whose scale and shift are fitted to the truth, in pixels."""
    table = {"left unchanged": eye_scores(left, hole, right, left)}
    for name, guess in guesses_of(networks, left).items():
        if name != "constant":
            table[name] = eye_scores(right_eye(left, fit(guess, truth, valid))[0], hole, right, left)
    return table


@torch.no_grad()
def compare_pairs(networks: Networks, generator: Generator, count: int) -> Scores:
    """Right eyes on fresh rendered pairs: exact disparity, exact holes. Their widest disparity is 2 to 4 % of width."""
    height, width = 256, 448
    random = np.random.default_rng(7)
    parts: dict[str, list] = {}
    for begin in range(0, count, 16):
        n = min(16, count - begin)
        scenes = generator.scenes(np.arange(n, dtype=np.uint64) + 2 * FRESH + begin, np.zeros(n), width / height)
        first = generator.render(scenes, height, width, grid=1)
        near = first.disparity.flatten(1).sort(1)[0][:, int(0.97 * height * width)].clamp_min(1e-4)
        widest = torch.from_numpy(random.uniform(0.02, 0.04, n)).float().to(near.device) * width
        tan = generator.tan_x(scenes)
        eye = widest * 2 * tan / width / near
        which = torch.arange(n, device=near.device).repeat(2)
        views = generator.render(scenes, height, width, which, torch.cat([0 * eye, eye]))
        # Both eyes go through one camera: tone() sees them side by side.
        both = tone(torch.cat(list(views.colour.chunk(2)), -1))
        left, right = both[..., :width], both[..., width:]
        truth = views.disparity[:n] * (eye * width / (2 * tan))[:, None, None]
        hole = views.unseen[n:] > 0
        table = compare_eyes(networks, left, right, truth, torch.ones_like(hole), hole)
        table["true disparity"] = eye_scores(right_eye(left, truth)[0], hole, right, left)
        for name, row in table.items():
            parts.setdefault(name, []).append((n, row))
    table = {name: mean_scores(rows) for name, rows in parts.items()}
    print_table(f"right eyes of {count} fresh scenes", table)
    return table


@torch.no_grad()
def compare_fills(networks: dict[str, FillNet], generator: Generator, count: int, sheet: pathlib.Path) -> Scores:
    """Holes of fresh rendered pairs with exact disparity: background extension, and what the networks make of it."""
    height, width = 192, 320
    task = FillTask(generator.device)
    parts: dict[str, list] = {}
    rows: list[Tensor] = []
    for begin in range(0, count, 16):
        n = min(16, count - begin)
        colour, disparity = task.render(generator, np.arange(n, dtype=np.uint64) + 3 * FRESH + begin, (height, width))
        left, right = tone(torch.cat([colour[:, 0, 0], colour[:, 0, 1]], -1)).chunk(2, -1)
        filled, behind, hole, mask = right_eye(left, disparity[:, 0])
        made = {"extension": filled}
        made |= {name: network(filled, mask.float(), behind / width).float() for name, network in networks.items()}
        for name, picture in made.items():
            parts.setdefault(name, []).append((n, eye_scores(picture, hole, right, left)))
        if begin < 16:
            shown = [right * ~hole[:, None], filled, *(made[name] for name in networks), right]
            rows += [row[k : k + 8] for k in range(0, n - 7, 8) for row in shown]
    if rows:
        save_sheet(sheet, rows)
    table = {name: mean_scores(rows) for name, rows in parts.items()}
    print_table(f"holes of {count} fresh scenes", table)
    return table


# ---- the example sets


def load_picture(path: pathlib.Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None] / 255.0


def load_clip(path: pathlib.Path, frames: int, size: tuple[int, int] | None = None, every: int = 1) -> Tensor:
    """Frames of a clip by FFmpeg, [n,3,H,W]; size: height, width."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0"]
    width, height = map(int, subprocess.check_output([*probe, str(path)], text=True).split()[0].strip(",").split(","))
    height, width = size or (height, width)
    filters = f"select=not(mod(n\\,{every})),scale={width}:{height}"
    raw = subprocess.check_output(["ffmpeg", "-v", "error", "-noautorotate", "-i", str(path), "-map", "0:v:0", "-vf", filters,
                                   "-fps_mode", "passthrough", "-frames:v", str(frames), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(-1, height, width, 3).permute(0, 3, 1, 2) / 255.0


def evaluate_data(networks: Networks, data: pathlib.Path) -> dict[str, Scores]:
    tables: dict[str, Scores] = {}

    folder = data / "depth/icl_living_room"
    pictures = torch.cat([load_picture(path) for path in sorted((folder / "color").glob("*.png"))])
    depth = np.stack([np.array(Image.open(path)) for path in sorted((folder / "depth").glob("*.png"))]).astype(np.float32) / 5000
    valid = torch.from_numpy(depth > 0)
    truth = torch.where(valid, 1 / torch.from_numpy(depth).clamp_min(1e-3), 0)
    sets = {"icl_living_room": (pictures, truth, valid)}

    folder = data / "stereo/motorcycle"
    left, right = load_picture(folder / "left.png"), load_picture(folder / "right.png")
    truth = torch.from_numpy(np.load(folder / "disp_left.npz")["arr_0"])[None]
    valid = torch.isfinite(truth) & (truth > 0)
    sets["motorcycle"] = (left, torch.where(valid, truth, 0), valid)
    eyes = {"motorcycle": (left, right)}

    folder = data / "stereo/vr180_plaza"
    left, right = load_clip(folder / "left.mp4", 5, every=30), load_clip(folder / "right.mp4", 5, every=30)
    truth, valid = match(left, right, -6, 16)
    # What is fitted is inverse depth, which is not negative: the farthest of these is taken for the sky.
    sets["vr180_plaza"] = (left, truth - truth[valid].quantile(0.01) + 0.5, valid)
    eyes["vr180_plaza"] = (left, right)

    for name, (picture, truth, valid) in sets.items():
        truth = truth.clamp_min(0.05 * truth[valid].median().item()) * valid
        tables[name] = {who: depth_scores(guess, truth, valid) for who, guess in guesses_of(networks, picture).items()}
        print_table(name, tables[name])
    for name, (left, right) in eyes.items():
        _, truth, valid = sets[name]
        truth = match(left, right, -6, 16)[0] if name == "vr180_plaza" else truth
        hole = torch.zeros_like(valid)
        if name == "motorcycle":
            filled = torch.where(valid, truth, truth[valid].min())
            hole = right_eye(left, filled)[2]
        tables[name + ", right eye"] = compare_eyes(networks, left, right, truth, valid, hole)
        print_table(name + ", right eye", tables[name + ", right eye"])
    return tables


def steady(depth: Tensor, clip: Tensor) -> Tensor:
    """What src/stages/depth_quick.c makes of it: in the scale of what rests, and slow there."""
    mean = [depth[0]]
    for before, picture, new in zip(clip, clip[1:], depth[1:]):
        change = (picture - before).abs().sum(0, keepdim=True)
        rest = -F.max_pool2d(-(0.92 * (1 - (change - 0.04) / 0.12)).clamp(0, 0.92), 5, 1, 2)[0]
        share = 0.85 * min(1, rest.mean().item() / 0.92 / 0.25)

        def moments(d: Tensor) -> tuple[Tensor, Tensor]:
            middle = (rest * d).sum() / rest.sum().clamp_min(1e-6)
            return middle, ((rest * (d - middle) ** 2).sum() / rest.sum().clamp_min(1e-6)).sqrt()

        (middle, spread), (middle_before, spread_before) = moments(new), moments(mean[-1])
        gain = 1 + share * ((spread_before + 0.02) / (spread + 0.02) - 1)
        new = gain * (new - middle) + middle + share * (middle_before - middle)
        mean.append(torch.lerp(new, mean[-1], rest))
    return torch.stack(mean)


def flicker(networks: Networks, data: pathlib.Path) -> dict[str, Scores]:
    """Change of depth a frame where the picture rests, in percent of its range, of the network by itself and after
    the running mean."""
    tables = {}
    for name in ("person_walkin_432p_10fps", "cups_720p"):
        clip = load_clip(data / "video" / f"{name}.mp4", 24, network_size(720, 1280))
        still = F.avg_pool2d((clip[1:] - clip[:-1]).abs().sum(1, keepdim=True), 5, 1, 2)[:, 0] < 0.04
        tables[name] = {}
        for who, network in networks.items():
            depth = predict(network, clip)
            ranked = depth.flatten().sort()[0]
            span = ranked[int(0.98 * len(ranked))] - ranked[int(0.02 * len(ranked))]
            tables[name][who] = {}
            for when, d in (("alone", depth), ("mean", steady(depth, clip))):
                change = (d[1:] - d[:-1]).abs() / span * 100
                tables[name][who] |= {f"still {when}": change[still].mean().item(),
                                      f"moving {when}": change[~still].mean().item()}
        print_table(f"{name}, flicker", tables[name])
    return tables


def clip_sheet(networks: Networks, data: pathlib.Path, path: pathlib.Path) -> None:
    """Every clip's middle and the depth of each network."""
    rows = []
    for clip in sorted((data / "video").iterdir()) + [data / "stereo/vr180_plaza/left.mp4"]:
        picture = load_clip(clip, 2, every=14)[-1:]
        tiles = [picture, *(heat(predict(network, picture)) for network in networks.values())]
        tiles = [F.interpolate(tile, size=(216, int(216 * picture.shape[3] / picture.shape[2])), mode="area") for tile in tiles]
        rows.append(torch.cat([F.pad(t, (0, max(0, 400 - t.shape[3])))[..., :400] for t in tiles], 3))
    half = (len(rows) + 1) // 2
    rows += [torch.zeros_like(rows[0])] * (2 * half - len(rows))
    save_sheet(path, [torch.cat([rows[i], rows[half + i]]) for i in range(half)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path, nargs="+")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("evaluation"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    networks: Networks = {}
    for path in args.weights:
        networks[path.stem if path.stem not in networks else str(path)] = network = DepthNet()
        load_weights(path, network)
    tables: dict[str, Scores] = {}
    with torch.no_grad():
        if args.data:
            tables |= evaluate_data(networks, args.data) | flicker(networks, args.data)
            clip_sheet(networks, args.data, args.out / "clips.png")
        if args.scenes:
            generator = Generator(device)
            networks = {name: network.to(device) for name, network in networks.items()}
            tables["fresh scenes"] = compare_on_scenes(networks, generator, args.scenes, args.out / "scenes.png")
            tables["fresh pairs"] = compare_pairs(networks, generator, max(16, args.scenes // 8))
    (args.out / "scores.json").write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
