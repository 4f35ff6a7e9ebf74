"""Rendered scenes as torch tensors: builds the generator (nvcc, or g++ without a GPU) and calls it.

    python generator.py sheet.png [FAMILY]      # a contact sheet of one family, or a row of each
"""

import ctypes
import hashlib
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

HERE = pathlib.Path(__file__).parent
HOST_SOURCES = ["materials.cc", "people.cc", "things.cc", "places.cc", "nature.cc", "close.cc", "special.cc", "world.cc"]


def build(gpu: bool, folder: pathlib.Path = HERE / "build") -> pathlib.Path:
    """Compiles the generator once for each state of its source; returns the library."""
    sources = sorted(HERE.glob("*.h")) + [HERE / name for name in HOST_SOURCES] + [HERE / "render.cu"]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    library = folder / f"scenes-{'gpu' if gpu else 'cpu'}-{state}.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    inputs = [str(HERE / name) for name in HOST_SOURCES]
    if gpu:
        nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
        arch = "native" if torch.cuda.is_available() else "sm_90"
        command = [nvcc, "-O3", "-std=c++17", f"-arch={arch}", "-Xcompiler", "-fPIC,-fopenmp,-O2", "-shared"]
        command += [*inputs, str(HERE / "render.cu")]
    else:
        command = ["g++", "-O3", "-std=c++17", "-fPIC", "-fopenmp", "-shared", *inputs, "-x", "c++", str(HERE / "render.cu")]
    partial = library.with_suffix(".partial")
    subprocess.run([*command, "-o", str(partial)], check=True)
    partial.rename(library)
    return library


@dataclass
class Views:
    """n pictures: colour [n,3,H,W] linear light, disparity [n,H,W] 1/metres (0: sky), unseen [n,H,W] by the left eye."""

    colour: Tensor
    disparity: Tensor
    unseen: Tensor


class Generator:
    """Renders scenes. The same seed, time, shape and eye give the same picture on the same kind of device."""

    def __init__(self, device: torch.device):
        self.device = device
        self.gpu = device.type == "cuda"
        self.library = ctypes.CDLL(str(build(self.gpu)))
        self.library.family_name.restype = ctypes.c_char_p
        self.bytes = self.library.scene_bytes()
        names = iter(lambda i=iter(range(1000)): self.library.family_name(next(i)), None)
        self.families = [name.decode() for name in names]

    def scenes(self, seeds: np.ndarray, seconds: np.ndarray, aspect: float, family: int = -1) -> Tensor:
        """[n, bytes] on the device: world seeds[i] after seconds[i]."""
        n = len(seeds)
        host = torch.empty(n, self.bytes, dtype=torch.uint8, pin_memory=self.gpu)
        seeds, seconds = np.ascontiguousarray(seeds, np.uint64), np.ascontiguousarray(seconds, np.float32)
        self.library.make_scenes(ctypes.c_void_p(host.data_ptr()), seeds.ctypes.data_as(ctypes.c_void_p),
                                 seconds.ctypes.data_as(ctypes.c_void_p), n, ctypes.c_float(aspect), family)
        return host.to(self.device, non_blocking=True)

    @staticmethod
    def tan_x(scenes: Tensor) -> Tensor:
        """[n] half the width of what is seen at distance 1: Camera.tan_x of scene.h."""
        return scenes[:, 48:52].contiguous().view(torch.float32)[:, 0]

    @staticmethod
    def zoom(scenes: Tensor, part: Tensor) -> None:
        """Sees the middle `part` [n] of each picture alone: Camera.tan_x and tan_y."""
        scenes[:, 48:56] = (scenes[:, 48:56].contiguous().view(torch.float32) * part[:, None]).view(torch.uint8)

    def render(self, scenes: Tensor, height: int, width: int, which: Tensor | None = None,
               eye: Tensor | None = None, grid: int = 2) -> Views:
        """Picture i shows scenes[which[i]] from eye[i] metres right of the left eye; grid**2 samples a pixel."""
        if which is None:
            which = torch.arange(len(scenes), device=self.device)
        n = len(which)
        views = torch.empty(n, 2, dtype=torch.int32, device=self.device)
        views[:, 0] = which
        views[:, 1] = (torch.zeros(n, device=self.device) if eye is None else eye.float()).view(torch.int32)
        colour = torch.empty(n, 3, height, width, dtype=torch.float16 if self.gpu else torch.float32, device=self.device)
        disparity = torch.empty(n, height, width, device=self.device)
        unseen = torch.empty(n, height, width, dtype=torch.uint8, device=self.device)
        grainy = torch.empty(n, height * width, self.library.grainy_bytes(), dtype=torch.uint8, device=self.device)
        arguments = [ctypes.c_void_p(t.data_ptr()) for t in (colour, disparity, unseen, grainy, scenes, views)]
        arguments += [n, height, width, grid]
        if self.gpu:
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            if self.library.render_on_gpu(*arguments, stream):
                raise RuntimeError("the renderer could not be launched")
        else:
            self.library.render_on_cpu(*arguments)
        return Views(colour, disparity, unseen)


def main() -> None:
    from sheets import heat, save_sheet, tone

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = Generator(device)
    families = range(len(generator.families)) if len(sys.argv) < 3 else [generator.families.index(sys.argv[2])] * 6
    height, width, columns, rows = 108, 192, 8, []
    for row, family in enumerate(families):
        seeds = np.arange(columns) + 100 * row
        views = generator.render(generator.scenes(seeds, 0 * seeds, width / height, family), height, width)
        rows += [tone(views.colour), heat(views.disparity)]
        print(generator.families[family], flush=True)
    save_sheet(sys.argv[1], rows)


if __name__ == "__main__":
    main()
