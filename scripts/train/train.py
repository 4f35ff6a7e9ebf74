#!/usr/bin/env python3
"""Trains a built-in network on rendered scenes, on every GPU of this machine (or slowly on its CPU).

    train.py depth --hours 0.2 [--out run] [--start models/builtin/depth.safetensors]

The budget is wall-clock time from the first step on, and the learning rate follows it. A run that is stopped (SIGTERM)
or killed goes on from --out's last checkpoint when it is started again. When the time is used up the result is
evaluated and lies in --out: depth.safetensors (fp16 averages of the weights), report.json, curves.csv, sheet.png.
"""

import argparse
import contextlib
import csv
import json
import math
import os
import pathlib
import queue
import signal
import socket
import threading
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from degrade import degrade
from evaluate import compare_on_scenes
from generator import Generator, Views
from losses import depth_loss
from network import DepthNet, load_weights, save_weights

# Each process keeps one picture shape, or few: a compiled step is good for one shape. About 62,000 pixels each.
SHAPES = [(192, 336), (192, 256), (192, 320), (336, 192), (192, 336), (208, 272), (176, 416), (224, 304)]
PIXELS = 64 * 192 * 320  # of a batch of one process; each scene is there twice
RATE, WARMUP, DECAY_FROM, WEIGHT_DECAY = 1.5e-3, 400, 0.35, 0.03
TWINS = 0.2  # weight of the difference between the depths of two photographs of one scene


@dataclass
class Job:
    hours: float
    out: pathlib.Path
    start: pathlib.Path | None
    seed: int
    world: int  # processes
    port: int


def free_port() -> int:
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Pool:
    """Rendered scenes of one shape, drawn from at random while a thread renders the next ones beside the training.

    The training never waits for the renderer, except at the beginning: where it is the faster of the two, scenes come
    back more often. A scene that is back looks different each time (degrade.py), and is replaced by the oldest-first
    rule after SIZE newer ones."""

    SIZE, LEAST, ROUND = 3072, 256, 32

    def __init__(self, generator: Generator, shape: tuple[int, int], seed: int):
        self.generator, self.shape, self.seed = generator, shape, seed
        self.rendered = 0
        size, least, count = (self.SIZE, self.LEAST, self.ROUND) if generator.gpu else (32, 4, 4)
        self.count, self.size, self.least = count, size, least
        height, width = shape
        kind = torch.float16 if generator.gpu else torch.float32
        self.colour = torch.empty(size, 3, height, width, dtype=kind, device=generator.device)
        self.disparity = torch.empty(size, height, width, device=generator.device)
        self.ready: queue.Queue = queue.Queue(maxsize=2)
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            if self.generator.gpu:
                torch.cuda.set_device(self.generator.device)
                torch.cuda.set_stream(torch.cuda.Stream())
            while True:
                self.ready.put(self._render())
        except Exception as error:  # for the thread that trains: it would go on with old scenes
            self.ready.put(error)

    def _render(self) -> Views:
        height, width = self.shape
        seeds = np.arange(self.seed, self.seed + self.count, dtype=np.uint64)
        self.seed += self.count
        views = self.generator.render(self.generator.scenes(seeds, np.zeros(self.count), width / height), height, width)
        if self.generator.gpu:
            torch.cuda.current_stream().synchronize()
        return views

    def _take(self, views: Views | Exception) -> None:
        if isinstance(views, Exception):
            raise views
        at = self.rendered % self.size
        self.colour[at : at + self.count] = views.colour
        self.disparity[at : at + self.count] = views.disparity
        if self.generator.gpu:  # their memory belongs to the other stream
            views.colour.record_stream(torch.cuda.current_stream())
            views.disparity.record_stream(torch.cuda.current_stream())
        self.rendered += self.count

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        while self.rendered < self.least or not self.ready.empty():
            self._take(self.ready.get())
        which = torch.randint(min(self.rendered, self.size), (count,), device=self.colour.device)
        return self.colour[which], self.disparity[which]


class Trainer:
    def __init__(self, job: Job, rank: int):
        self.job, self.rank = job, rank
        self.gpu = torch.cuda.is_available()
        self.device = torch.device("cuda", rank) if self.gpu else torch.device("cpu")
        if self.gpu:
            torch.cuda.set_device(self.device)
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
        if job.world > 1:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(job.port)}
            dist.init_process_group("nccl", rank=rank, world_size=job.world, device_id=self.device)
        torch.manual_seed(job.seed)  # the same weights everywhere
        self.network = DepthNet().to(self.device, memory_format=torch.channels_last)
        if job.start:
            load_weights(job.start, self.network)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.parameters = list(self.network.parameters())
        self.optimiser = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98),
                                           fused=self.gpu)
        self.step, self.seconds, self.pictures = 0, 0.0, 0
        self.stop = False
        self._resume()
        self.forward = torch.compile(self.network, dynamic=False) if self.gpu else self.network
        # A resumed run must not see the scenes of its first part again.
        torch.manual_seed(job.seed + 1000 * rank + self.step + 1)
        self.generator = Generator(self.device)
        count = max(1, min(len(SHAPES), int(job.hours * 15))) if job.world == 1 else 1
        shapes = [SHAPES[(rank + i) % len(SHAPES)] for i in range(count)] if self.gpu else [(96, 160)]
        first = (job.seed * 4096 + rank * 16 << 36) + (self.step << 12)  # no scene twice, after a restart neither
        self.pools = [Pool(self.generator, shape, first + (i << 36)) for i, shape in enumerate(shapes)]
        self.sums = torch.zeros(4, device=self.device)

    # ---- a checkpoint is written by the first process and read by all

    def _resume(self) -> None:
        path = self.job.out / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.pictures = state["step"], state["seconds"], state["pictures"]
        if self.rank == 0:
            print(f"going on from step {self.step}, {self.seconds:.0f} s", flush=True)

    def save(self) -> None:
        state = {"network": self.network.state_dict(), "average": self.average, "step": self.step,
                 "optimiser": self.optimiser.state_dict(), "seconds": self.seconds, "pictures": self.pictures}
        partial = self.job.out / "checkpoint.partial"
        torch.save(state, partial)
        partial.rename(self.job.out / "checkpoint.pt")
        self.export()

    def export(self) -> None:
        metadata = {"model": "stereocrafter built-in depth", "version": "2", "steps": str(self.step),
                    "pictures": str(self.pictures * self.job.world), "seed": str(self.job.seed)}
        save_weights(self.job.out / "depth.safetensors", self.average, metadata)

    # ---- one step

    def photographs(self) -> tuple[Tensor, Tensor]:
        """Two photographs of each scene, one after the other; every other batch mirrored."""
        pool = self.pools[self.step % len(self.pools)]
        height, width = pool.shape
        count = round(PIXELS / (height * width) / 2) if self.gpu else 4
        colour, disparity = pool.draw(count)
        if self.step // len(self.pools) % 2:
            colour, disparity = colour.flip(-1), disparity.flip(-1)
        return degrade(colour.repeat(2, 1, 1, 1), disparity.repeat(2, 1, 1))

    def learn(self) -> None:
        picture, disparity = self.photographs()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.gpu):
            prediction = self.forward(picture)
        prediction = prediction.float()
        shape, scale, edge = depth_loss(prediction, disparity)
        first, second = prediction.chunk(2)
        twins = (first - second).abs().mean()
        (shape + scale + edge + TWINS * twins).backward()
        self.share([p.grad for p in self.parameters])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            keep = min(0.999, (1 + self.step) / (20 + self.step))
            torch._foreach_lerp_(list(self.average.values()), list(self.network.state_dict().values()), 1 - keep)
            self.sums += torch.stack([shape, scale, edge, twins]).detach()
        self.step += 1
        self.pictures += len(picture)

    def share(self, gradients: list[Tensor]) -> None:
        """Their mean over all processes, at most 1 long; nothing at all where one is not a number: one bad batch must
        not end a run."""
        flat = torch.cat([g.flatten() for g in gradients])
        if self.job.world > 1:
            dist.all_reduce(flat, op=dist.ReduceOp.AVG)
        length = flat.norm()
        flat = torch.where(torch.isfinite(length), flat / length.clamp_min(1), 0)
        parts = flat.split([g.numel() for g in gradients])
        torch._foreach_copy_(gradients, [part.view_as(g) for part, g in zip(parts, gradients)])

    def rate(self) -> float:
        done = self.seconds / (3600 * self.job.hours)
        return RATE * min(1, (self.step + 1) / WARMUP) * min(1, max(1 - done, 0) / (1 - DECAY_FROM))

    # ---- the run

    def agree(self, begun: float) -> bool:
        """The first process's clock and its wish to stop, for all. False when the run is over."""
        told = torch.tensor([time.monotonic() - begun, float(self.stop)], dtype=torch.float64, device=self.device)
        if self.job.world > 1:
            dist.broadcast(told, 0)
        self.seconds, stop = told.tolist()
        self.stop = stop > 0
        return not self.stop and self.seconds < 3600 * self.job.hours

    def run(self) -> None:
        if self.rank == 0:
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
            print(f"{self.job.world} x {torch.cuda.get_device_name() if self.gpu else 'CPU'}, "
                  f"{sum(p.numel() for p in self.parameters):,} parameters", flush=True)
        begun = time.monotonic() - self.seconds
        saved = logged = time.monotonic()
        pictures, steps = self.pictures, self.step
        while self.agree(begun):
            for _ in range(20 if self.gpu else 2):
                self.learn()
            now = time.monotonic()
            if self.rank:
                continue
            if now - logged > 15:
                self.log((self.pictures - pictures) * self.job.world / (now - logged), self.step - steps)
                logged, pictures, steps = now, self.pictures, self.step
            if now - saved > 60:
                self.save()
                saved = now
        if self.rank == 0:
            self.save()
            if not self.stop:
                self.report()
        if self.job.world > 1:
            dist.barrier()
            dist.destroy_process_group()

    def log(self, speed: float, steps: int) -> None:
        names = ["ssi", "scale", "edges", "twins"]
        row = {"seconds": round(self.seconds), "step": self.step, "pictures/s": round(speed),
               "scenes": sum(pool.rendered for pool in self.pools) * self.job.world, "rate": f"{self.rate():.2e}"}
        row |= {name: f"{value / max(steps, 1):.4f}" for name, value in zip(names, self.sums.tolist())}
        self.sums.zero_()
        path = self.job.out / "curves.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)

    def report(self) -> None:
        """Measures the averages against the network that the program has now, on scenes neither has seen."""
        self.network.load_state_dict(self.average)
        networks = {"this run": self.network}
        committed = pathlib.Path(__file__).parents[2] / "models/builtin/depth.safetensors"
        if committed.exists():
            before = DepthNet().to(self.device)
            load_weights(committed, before)
            networks["committed"] = before
        count = 2048 if self.gpu else 8
        scores = compare_on_scenes(networks, self.generator, count, self.job.out / "sheet.png")
        scores |= {"steps": self.step, "pictures": self.pictures * self.job.world, "hours": self.job.hours,
                   "processes": self.job.world, "seed": self.job.seed}
        (self.job.out / "report.json").write_text(json.dumps(scores, indent=1))


def work(job: Job, rank: int) -> None:
    Trainer(job, rank).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["depth"])
    parser.add_argument("--hours", type=float, required=True, help="wall-clock time of training, compilation included")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("run"), help="folder of the run")
    parser.add_argument("--start", type=pathlib.Path, help="weights to begin with instead of random ones")
    parser.add_argument("--seed", type=int, default=1, help="of the weights and the scenes")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    world = max(1, torch.cuda.device_count())
    job = Job(args.hours, args.out, args.start, args.seed, world, free_port())
    # Torch's CPU threads and the generator's share the cores with the other processes.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, math.floor((os.cpu_count() or 1) / world) - 2)))
    Generator(torch.device("cuda" if torch.cuda.is_available() else "cpu"))  # compiles once, before all want it
    context = torch.multiprocessing.get_context("spawn")
    others = [context.Process(target=work, args=(job, rank)) for rank in range(1, world)]
    for process in others:
        process.start()
    work(job, 0)
    for process in others:
        process.join()


if __name__ == "__main__":
    main()
