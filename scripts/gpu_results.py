#!/usr/bin/env python3
"""gpu_results.py BENCH.json FINDINGS GPU DRIVER COMMIT FOLDER: what gpu_check.sh measured, as FOLDER/results.json
and, from that, FOLDER/RESULTS.md. ratio: how many times better than the peer."""
import datetime
import json
import sys

bench_path, findings, gpu, driver, commit, folder = sys.argv[1:]
bench = json.load(open(bench_path))
rows = []


def add(name, value, unit, peer=None, peer_value=None, larger_is_better=False):
    ratio = None
    if peer_value:
        ratio = value / peer_value if larger_is_better else peer_value / value
    rows.append({"name": name, "value": float(f"{value:.4g}"), "unit": unit, "peer": peer, "peer_value": peer_value,
                 "ratio": ratio and round(ratio, 3), "date": datetime.date.today().isoformat(), "commit": commit,
                 "gpu": gpu, "driver": driver})


# Peers: diffusers' classes with random weights, fp16, in PyTorch 2.11 with cuDNN 9.19, on an H200.
peers = {("unet", "fp16"): ("torch.compile", 238), ("vae encode", "fp16"): ("PyTorch eager", 23.0),
         ("vae decode", "fp16"): ("torch.compile", 30.4 * 8)}
for r in bench["chain"]:
    add(f"builtin_1080p_{r['precision']}_fps", r["fps"], "frames/s")
if bench["chain"]:
    best = next(r for r in bench["chain"] if r["precision"] == "fp16")
    add("builtin_1080p_fps", best["fps"], "frames/s")
for r in bench["nets"]:
    name = "_".join([r["net"].split(" (")[0].replace(" ", "_"), r["shape"], r["precision"]])
    add(name + "_ms", r["median_ms"], "ms", *peers.get((r["net"], r["precision"]), ()))
    if r["error"]:
        add(name + "_error", r["error"], "relative to fp32")
    if (r["net"], r["precision"]) == ("unet", "fp16"):
        add("unet_f25_peak_gib", r["memory_mib"] / 1024, "GiB")
milliseconds = {(r["net"], r["precision"]): r["median_ms"] for r in bench["nets"]}
if ("unet streamed", "fp16") in milliseconds:
    add("unet_streamed_ratio", milliseconds["unet streamed", "fp16"] / milliseconds["unet", "fp16"], "of resident time")
add("sanitizer_findings", int(findings), "findings")

with open(folder + "/results.json", "w") as f:
    f.write('{"schema": 1, "rows": [\n' + ",\n".join(json.dumps(r) for r in rows) + "\n]}\n")
with open(folder + "/RESULTS.md", "w") as f:
    f.write(f"# Measured\n\nBy scripts/gpu_check.sh on {gpu}, driver {driver}, commit {commit}, {rows[0]['date']}. "
            "Networks have random weights;\n`--bench` says how they are timed.\n\n"
            "| what | value | unit | peer | its value | times better |\n| --- | ---: | --- | --- | ---: | ---: |\n")
    for r in rows:
        f.write("| {name} | {value:.4g} | {unit} | {} | {} | {} |\n".format(
            r["peer"] or "", r["peer_value"] or "", r["ratio"] or "", **{k: r[k] for k in ("name", "value", "unit")}))
