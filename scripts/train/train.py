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

from evaluate import compare_fills, compare_on_scenes
from generator import Generator
from network import load_weights, save_weights
from tasks import COMMITTED, TASKS, DepthTask, FillTask, Shape
from video import VideoTask, compare_films

RATE, WARMUP, DECAY_FROM, WEIGHT_DECAY = 1.2e-3, 200, 0.3, 0.03


@dataclass
class Job:
    network: str
    hours: float
    out: pathlib.Path
    start: pathlib.Path | None
    keep: float  # share of `start` in what is exported
    seed: int
    processes: int
    shapes: int  # that a process sees
    port: int


def free_port() -> int:
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Pool:
    """Rendered scenes of one shape, drawn from at random while a thread renders the next ones beside the training.

    To render what a step sees takes as long as the step: each scene is drawn some task.reuse times, looks different each
    time, and gives way after SIZE newer ones. The training waits for the first LEAST alone."""

    SIZE, LEAST, ROUND = 3072, 512, 32

    def __init__(self, task: DepthTask | FillTask | VideoTask, generator: Generator, shape: Shape, seed: int):
        self.task, self.generator, self.shape, self.seed = task, generator, shape, seed
        size, least, count = (self.SIZE, self.LEAST, self.ROUND) if generator.gpu else (32, 4, 4)
        self.size, self.least, self.count = size, least, count
        self.rendered = self.drawn = 0
        self.wanted = threading.Semaphore(least // count)
        self.items: list[Tensor] = []
        self.ready: queue.Queue = queue.Queue(maxsize=2)
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            if self.generator.gpu:
                torch.cuda.set_device(self.generator.device)
                torch.cuda.set_stream(torch.cuda.Stream())
            while self.wanted.acquire():
                seeds = np.arange(self.seed, self.seed + self.count, dtype=np.uint64)
                self.seed += self.count
                items = self.task.render(self.generator, seeds, self.shape)
                if self.generator.gpu:
                    torch.cuda.current_stream().synchronize()
                self.ready.put(items)
        except Exception as error:  # for the thread that trains: it would go on with old scenes
            self.ready.put(error)

    def _take(self, items: tuple[Tensor, ...] | Exception) -> None:
        if isinstance(items, Exception):
            raise items
        if not self.items:
            self.items = [item.new_empty(self.size, *item.shape[1:]) for item in items]
        at = self.rendered % self.size
        for pooled, item in zip(self.items, items):
            pooled[at : at + self.count] = item
            if self.generator.gpu:  # its memory belongs to the other stream
                item.record_stream(torch.cuda.current_stream())
        self.rendered += self.count

    def draw(self, count: int) -> list[Tensor]:
        while self.rendered < self.least or not self.ready.empty():
            self._take(self.ready.get())
        self.drawn += count
        while self.drawn >= self.task.reuse * self.count:
            self.drawn -= self.task.reuse * self.count
            self.wanted.release()
        which = torch.randint(min(self.rendered, self.size), (count,), device=self.generator.device)
        return [item[which] for item in self.items]


class Trainer:
    def __init__(self, job: Job, rank: int):
        self.job, self.rank = job, rank
        self.gpu = torch.cuda.is_available()
        self.device = torch.device("cuda", 0) if self.gpu else torch.device("cpu")
        if self.gpu:
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
        if job.processes > 1:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(job.port)}
            dist.init_process_group("nccl" if self.gpu else "gloo", rank=rank, world_size=job.processes)
        torch.manual_seed(job.seed)  # the same weights everywhere
        self.task = TASKS[job.network](self.device)
        self.network = self.task.network().to(self.device, memory_format=self.task.layout)
        if job.start:
            load_weights(job.start, self.network)
        self.start = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
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
        shapes = self.task.shapes if self.gpu else [(96, 160)]
        first = (job.seed * 4096 + rank * 16 << 36) + (self.step << 12)  # no scene twice, after a restart neither
        self.pools = [Pool(self.task, self.generator, shapes[(rank + i) % len(shapes)], first + (i << 36))
                      for i in range(job.shapes)]
        self.sums = torch.zeros(len(self.task.parts), device=self.device)

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

    def result(self) -> dict[str, Tensor]:
        return {k: torch.lerp(v, self.start[k], self.job.keep) for k, v in self.average.items()}

    def export(self) -> None:
        metadata = {"model": f"stereocrafter built-in {self.job.network}", "version": "3", "steps": str(self.step),
                    "pictures": str(self.pictures * self.job.processes), "seed": str(self.job.seed)}
        save_weights(self.job.out / f"{self.job.network}.safetensors", self.result(), metadata)

    # ---- one step

    def learn(self) -> None:
        pool = self.pools[self.step % len(self.pools)]
        pixels = pool.shape[0] * pool.shape[1] * self.task.pictures
        scenes = round(self.task.pixels / pixels) if self.gpu else 4
        mirrored = self.step // len(self.pools) % 2 == 1
        loss, parts = self.task.losses(self.forward, *pool.draw(scenes), mirrored)
        loss.backward()
        self.share([p.grad for p in self.parameters])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            keep = min(0.999, (1 + self.step) / (20 + self.step))
            torch._foreach_lerp_(list(self.average.values()), list(self.network.state_dict().values()), 1 - keep)
            self.sums += parts.detach()
        self.step += 1
        self.pictures += scenes * self.task.pictures

    def share(self, gradients: list[Tensor]) -> None:
        """Their mean over all processes, at most 1 long; nothing at all where one is not a number: one bad batch must
        not end a run."""
        flat = torch.cat([g.flatten() for g in gradients])
        if self.job.processes > 1:
            dist.all_reduce(flat)
            flat /= self.job.processes
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
        if self.job.processes > 1:
            dist.broadcast(told, 0)
        self.seconds, stop = told.tolist()
        self.stop = stop > 0
        return not self.stop and self.seconds < 3600 * self.job.hours

    def run(self) -> None:
        if self.rank == 0:
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
            print(f"{self.job.processes} x {torch.cuda.get_device_name() if self.gpu else 'CPU'}, "
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
                self.log((self.pictures - pictures) * self.job.processes / (now - logged), self.step - steps)
                logged, pictures, steps = now, self.pictures, self.step
            if now - saved > 60:
                self.save()
                saved = now
        if self.rank == 0:
            self.save()
            if not self.stop:
                self.report()
        if self.job.processes > 1:
            dist.barrier()
            dist.destroy_process_group()

    def log(self, speed: float, steps: int) -> None:
        row = {"seconds": round(self.seconds), "step": self.step, "pictures/s": round(speed),
               "scenes": sum(pool.rendered for pool in self.pools) * self.job.processes, "rate": f"{self.rate():.2e}"}
        row |= {name: f"{value / max(steps, 1):.4f}" for name, value in zip(self.task.parts, self.sums.tolist())}
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
        """Measures the averages against what the program has now, on scenes neither has seen."""
        self.network.load_state_dict(self.result())
        networks = {"this run": self.network}
        committed = COMMITTED / f"{self.job.network}.safetensors"
        if committed.exists():
            networks["committed"] = self.task.network().to(self.device)
            load_weights(committed, networks["committed"])
        compare = {"depth": compare_on_scenes, "fill": compare_fills, "vae": compare_films}[self.job.network]
        scores = compare(networks, self.generator, 1024 if self.gpu else 8, self.job.out / "sheet.png")
        scores |= {"steps": self.step, "pictures": self.pictures * self.job.processes, "hours": self.job.hours,
                   "processes": self.job.processes, "seed": self.job.seed, "keep": self.job.keep}
        (self.job.out / "report.json").write_text(json.dumps(scores, indent=1))


def work(job: Job, rank: int) -> None:
    Trainer(job, rank).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=TASKS)
    parser.add_argument("--hours", type=float, required=True, help="wall-clock time of training, compilation included")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("run"), help="folder of the run")
    parser.add_argument("--start", type=pathlib.Path, help="weights to begin with instead of random ones")
    parser.add_argument("--keep", type=float, default=0, help="share of those weights in the exported mean: a short run "
                        "learns what is new faster than it relearns what that unsettles")
    parser.add_argument("--seed", type=int, default=1, help="of the weights and the scenes")
    parser.add_argument("--shapes", type=int, default=1, help="that a process sees; each takes a minute to compile")
    parser.add_argument("--processes", type=int, default=1, help="without a GPU; else there is one for each")
    args = parser.parse_args()
    if args.keep and not args.start:
        parser.error("--keep is of --start")
    args.out.mkdir(parents=True, exist_ok=True)
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if gpus == [""]:
        gpus = [str(i) for i in range(torch.cuda.device_count())]
    count = len(gpus) or args.processes
    job = Job(args.network, args.hours, args.out, args.start, args.keep, args.seed, count, args.shapes, free_port())
    # Torch's CPU threads and the generator's share the cores with the other processes.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, math.floor((os.cpu_count() or 1) / count) - 2)))
    Generator(torch.device("cuda" if torch.cuda.is_available() else "cpu"))  # compiles once, before all want it
    context = torch.multiprocessing.get_context("spawn")
    others = [context.Process(target=work, args=(job, rank)) for rank in range(1, count)]
    for rank in reversed(range(count)):
        if gpus:  # each sees its GPU as the first: what is compiled for one is good for all
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[rank]
        if rank:
            others[rank - 1].start()
    work(job, 0)
    for process in others:
        process.join()


if __name__ == "__main__":
    main()
