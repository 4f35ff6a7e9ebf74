#!/usr/bin/env python3
"""gpu_results.py BENCH.json FINDINGS GPU DRIVER COMMIT FOLDER LOG...: what gpu_check.sh measured, as FOLDER/results.json
and, from that, FOLDER/RESULTS.md. LOG: with lines "row NAME VALUE UNIT". ratio: how many times better
than the peer."""
import datetime
import json
import os
import sys

bench_path, findings, gpu, driver, commit, folder = sys.argv[1:7]
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
# Ops: PyTorch 2.11 with cuDNN 9.19, fp16, on an H200; the row without a size has the smallest ratio of its sizes.
op_peers = {
    "attn_9216": ("cuDNN SDPA", 6.08), "attn_2304": ("cuDNN SDPA", 0.74), "attn_576": ("cuDNN SDPA", 0.157),
    "attn_temporal_25_9216": ("SDPA and permutes", 0.7616), "attn_temporal_25_2304": ("SDPA and permutes", 0.3923),
    "attn_temporal_25_576": ("SDPA and permutes", 0.2063), "conv3x3_320": ("cuDNN", 0.9734),
    "conv3x3_640": ("cuDNN", 0.7891), "conv3x3_1280": ("cuDNN", 0.7301), "conv3x3_vae_512": ("cuDNN", 2.6484),
    "conv3x3_vae_256": ("cuDNN", 3.2345), "conv3x3_vae_128": ("cuDNN", 4.5208),
    "upsample_conv_640": ("cuDNN on the doubled picture", 3.8978),
    "upsample_conv_1280": ("cuDNN on the doubled picture", 3.0801), "ff1_geglu_320": ("torch.compile", 1.1343),
    "ff1_geglu_640": ("torch.compile", 1.1992), "ff1_geglu_1280": ("torch.compile", 0.8951),
    "ff2_320": ("cuBLAS", 0.3167), "group_norm_320": ("torch.compile", 0.2516), "layer_norm_320": ("PyTorch", 0.3501),
    "splat_1080p": ("index_add", 0.4665)}
least = {}
for r in bench["ops"]:
    peer = op_peers.get(r["op"])
    if r["precision"] == "fp16" or r["op"].endswith("_1080p"):
        add(r["op"], r["median_ms"], "ms", *peer or ())
        row = rows[-1]
        for group in ("attn_temporal_25", "conv3x3", "upsample_conv", "ff1_geglu"):
            if r["op"].startswith(group + "_") and (group not in least or row["ratio"] < least[group]["ratio"]):
                least[group] = row
for group, row in least.items():
    rows.append({**row, "name": group})
for path in sys.argv[7:]:
    for line in open(path) if os.path.exists(path) else ():
        if line.startswith("row "):
            name, value, unit = line.split(maxsplit=3)[1:]
            add(name, float(value), unit.strip())
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
