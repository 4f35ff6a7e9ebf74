"""Rows of tests/bench: results.json, and RESULTS.md from it. bench_peers.py measures them.

A row: name, value, unit; of one with a peer, peer and peer_value in the same unit and ratio, how many times better than
it ours is; of one that the project promises something about, bar (the least ratio) and met; and of every row the
date, commit, gpu and driver that it was measured with. Rows that a run did not measure stay as they were.
"""
import datetime
import json
import re
import subprocess
from pathlib import Path

# The least ratio, and what is compared. One of several sizes stands for the worst of them.
BARS = {
    "attn_9216": (1.0, "spatial attention of 9216 tokens, 25 x 5 heads of 64; also at least 440 TFLOP/s"),
    "attn_2304": (1.0, "the same, 2304 tokens, 10 heads"),
    "attn_576": (1.1, "the same, 576 tokens, 20 heads"),
    "attn_temporal_25": (4.0, "attention between 25 frames, the worst of three levels"),
    "ff1_geglu": (1.3, "linear layer and GEGLU, the worst of three"),
    "conv3x3": (1.0, "3x3 convolution, bias and residual, the worst of six"),
    "upsample_conv": (1.8, "doubling and 3x3 convolution, the worst of two"),
    "unet_f25_vs_compile": (1.5, "UNet, 25 frames of 1024x576, fp16"),
    "unet_f25_vs_eager": (2.0, "the same"),
    "unet_f110_vs_compile": (1.5, "UNet, 110 frames"),
    "unet_fp8_vs_fp16": (1.2, "UNet, 25 frames, fp8"),
    "vae_decode": (1.5, "VAE decode, fp16, a frame of 8"),
    "vae_encode": (1.3, "VAE encode, fp16, a frame"),
    "splat_1080p": (5.0, "forward splat with mask"),
    "chain_reference": (2.0, "whole chain, the published scripts' settings"),
    "chain_fast": (4.5, "whole chain, fast settings, against the published scripts as they are"),
}
LEAST_TFLOPS = {"attn_9216": 440}
GROUPS = ("attn_temporal_25", "conv3x3", "upsample_conv", "ff1_geglu")


def command(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


class Rows:
    def __init__(self, commit):
        self.rows = {}
        self.stamp = dict(date=datetime.date.today().isoformat(),
                          commit=commit or command("git", "rev-parse", "--short", "HEAD"),
                          gpu=command("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
                          driver=command("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"))

    def add(self, name, value, unit, peer=None, peer_value=None, **more):
        row = dict(name=name, value=float(f"{value:.4g}"), unit=unit)
        if peer_value:
            row.update(peer=peer, peer_value=float(f"{peer_value:.4g}"), ratio=round(peer_value / value, 3))
        elif peer:
            row.update(peer=peer)
        row.update(more, **self.stamp)
        self.rows[name] = row


def fastest(peers, name, way=None):
    """(way, ms) of a peer's fastest, or (why there is none, None)."""
    rows = [r for r in peers["rows"] if r["name"] == name and (not way or r["way"].split(" (at ")[0] == way)]
    times = [r for r in rows if "ms" in r]
    if times:
        best = min(times, key=lambda r: r["ms"])
        return best["way"], best["ms"]
    return f"not measured: {rows[0]['failed']}" if rows else "not measured", None


def add_nets(rows, bench, peers):
    ms = {(r["net"], r["shape"].split("x")[0], r["precision"]): r["median_ms"] for r in bench["nets"]}
    for r in bench["nets"]:
        name = "_".join([r["net"].split(" (")[0].replace(" ", "_"), r["shape"], r["precision"]])
        rows.add(name + "_ms", r["median_ms"], "ms")
        if r.get("error"):
            rows.add(name + "_error", r["error"], "relative to fp32")
        if (r["net"], r["precision"]) == ("unet", "fp16"):
            rows.add("unet_f25_peak_gib", r["memory_mib"] / 1024, "GiB")

    def compare(name, ours, peer, parts=1, per=1):
        if ours in ms:
            rows.add(name, ms[ours] / parts, "ms", peer[0], peer[1] and peer[1] / per)
    unet, long = ("unet", "25", "fp16"), ("unet long", "110", "fp16")
    compare("unet_f25_vs_compile", unet, fastest(peers, "unet_f25", "torch.compile"))
    eager = [fastest(peers, "unet_f25", way) for way in ("PyTorch eager", "PyTorch eager, channels last")]
    compare("unet_f25_vs_eager", unet, min(eager, key=lambda e: e[1] or 1e9))
    compare("unet_f110_vs_compile", long, fastest(peers, "unet_f110", "torch.compile"))
    compare("unet_fp8_vs_fp16", ("unet", "25", "fp8"), ("ours in fp16", ms.get(unet)))
    compare("vae_decode", ("vae decode", "8", "fp16"), fastest(peers, "vae_decode_8", "torch.compile"), 8, 8)
    compare("vae_encode", ("vae encode", "1", "fp16"), fastest(peers, "vae_encode_8", "torch.compile"), 1, 8)
    if ("unet streamed", "25", "fp16") in ms:
        rows.add("unet_streamed_ratio", ms["unet streamed", "25", "fp16"] / ms[unet], "of resident time")


def add_ops(rows, bench, peers):
    least = {}
    fp16 = {r["op"]: r["median_ms"] for r in bench["ops"] if r["precision"] == "fp16"}
    for r in bench["ops"]:
        if r["precision"] == "fp8":
            rows.add(r["op"] + "_fp8", r["median_ms"], "ms", "ours in fp16", fp16.get(r["op"]))
        if r["precision"] != "fp16" and not r["op"].endswith("_1080p"):  # peers have that type
            continue
        peer = fastest(peers, r["op"])
        rows.add(r["op"], r["median_ms"], "ms", peer[0] if peer[1] or r["op"] in BARS else None, peer[1],
                 **({"tflops": round(r["tflops"], 1)} if r["tflops"] else {}))
        row = rows.rows[r["op"]]
        for group in GROUPS:
            if r["op"].startswith(group + "_") and "ratio" in row and \
                    (group not in least or row["ratio"] < least[group]["ratio"]):
                least[group] = row
    for group, row in least.items():
        rows.rows[group] = {**row, "name": group, "of": row["name"]}


def judge(rows):
    for name, (bar, _) in BARS.items():
        if name in rows:
            row = rows[name]
            row["bar"] = bar
            row["met"] = row["ratio"] >= bar and row.get("tflops", 0) >= LEAST_TFLOPS.get(name, 0) if "ratio" in row else None


def growth(rows):
    """The table of what films cost: of pairs of rows builtin_WxH_N_frames, a short and a long film of one size."""
    films = {}
    for name, row in rows.items():
        if m := re.fullmatch(r"builtin_(\d+)x(\d+)_(\d+)_frames", name):
            films.setdefault((int(m[1]), int(m[2])), {})[int(m[3])] = row["value"]
    out = ["", "What a frame costs by the built-in networks, without an encoder, in ms. A further one is what the longer film "
           "takes more, by frames; the rest is what a film costs at its start.", "",
           "| size | short film | long film | a further frame | that, ns a pixel |", "| --- | ---: | ---: | ---: | ---: |"]
    for (w, h), ms in sorted(films.items()):
        short, long = min(ms), max(ms)
        if short < long:
            more = (long * ms[long] - short * ms[short]) / (long - short)
            out.append(f"| {w}x{h} | {ms[short]:.2f} ({short} frames) | {ms[long]:.2f} ({long}) | {more:.2f} | "
                       f"{1e6 * more / (w * h):.2f} |")
    return out if films else []


def page(rows, versions):
    out = ["# Measured", "", "By `scripts/bench_peers.py`, which says how, with random weights and data. Peers: "
           + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".", "",
           "| what | ours, ms | fastest peer, ms | times faster | asked for | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for name, (bar, what) in BARS.items():
        r = rows.get(name)
        if not r:
            out.append(f"| `{name}`: {what} | | | | {bar} | not measured |")
            continue
        peer = f"{r['peer']}: {r['peer_value']}" if "peer_value" in r else r.get("peer", "")
        rate = f" ({r['tflops']:.0f} TFLOP/s)" if name in LEAST_TFLOPS else ""
        out.append(f"| `{name}`: {what} | {r['value']}{rate} | {peer} | {r.get('ratio', '')} | {bar} | "
                   f"{ {None: 'peer not measured', True: 'met', False: 'missed'}[r['met']]} |")
    out += growth(rows)
    out += ["", "Every row, with the commit that it was measured at:", "",
            "| row | value | unit | peer | its value | times better | commit |",
            "| --- | ---: | --- | --- | ---: | ---: | --- |"]
    for r in rows.values():
        out.append(f"| {r['name']} | {r['value']:.4g} | {r['unit']} | {r.get('peer') or ''} | "
                   f"{r.get('peer_value') or ''} | {r.get('ratio') or ''} | {r['commit']} |")
    return "\n".join(out) + "\n"


def write(folder, bench, peers, commit=None, extra=()):
    """bench: the report of --bench. peers: versions, and rows of name, way and ms or failed; one that this run did not
    time is taken from an earlier run, and its row says so. extra: further rows: name, value, unit."""
    path = Path(folder) / "results.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    kept = {r["name"]: r for r in old.get("rows", [])}
    rows, now = Rows(commit), {r["name"] for r in peers["rows"] if "ms" in r}
    earlier = [dict(name=r["of"], way=f"{r['way']} (at {r['commit']})", ms=r["value"], commit=r["commit"])
               for r in kept.values() if "way" in r and r["of"] not in now]
    versions = peers["versions"] if now else old.get("peers", peers["versions"])
    peers = dict(rows=peers["rows"] + earlier)
    for r in bench.get("chain", []):
        rows.add(f"builtin_1080p_{r['precision']}_fps", r["fps"], "frames/s")
        if r["precision"] == "fp16":
            rows.add("builtin_1080p_fps", r["fps"], "frames/s")
    add_nets(rows, bench, peers)
    add_ops(rows, bench, peers)
    for name, value, unit in extra:
        chain = [r for r in peers["rows"] if r["name"].startswith("chain_") and "ms" in r] if name in BARS else []
        rows.add(name, value, unit, *([chain[0]["way"], chain[0]["ms"] / int(chain[0]["name"][6:])] if chain else []))
    for row in peers["rows"]:
        if "ms" in row and "commit" not in row:
            rows.add(f"peer {row['name']}, {row['way']}", row["ms"], "ms", of=row["name"], way=row["way"])
    kept.update(rows.rows)
    judge(kept)
    path.write_text('{"schema": 2, "peers": ' + json.dumps(versions) + ', "rows": [\n' +
                    ",\n".join(json.dumps(r) for r in kept.values()) + "\n]}\n")
    (Path(folder) / "RESULTS.md").write_text(page(kept, versions))
