#!/usr/bin/env python3
"""to_gguf.py IN.safetensors OUT.gguf [F32|F16|BF16|Q8_0|Q4_0|Q4_K|Q6_K]: the same network as GGUF, for comparing.

Names stay as they are. What has more than 4 dimensions, or is quantised and not a matrix, is stored as a matrix with its shape
in comfy.gguf.orig_shape.NAME, as the community's converters do. Vectors, scalars and rows that a type's blocks do not divide stay
F16 (or F32 where they were). Needs numpy alone.
"""
import json
import struct
import sys

import numpy as np

IDS = {"F32": 0, "F16": 1, "BF16": 30, "Q4_0": 2, "Q8_0": 8, "Q4_K": 12, "Q6_K": 14}
BLOCK = {"Q4_0": 32, "Q8_0": 32, "Q4_K": 256, "Q6_K": 256}
ALIGNMENT = 32


def read_safetensors(path):
    """{name: array}, bfloat16 widened to float32."""
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = np.frombuffer(f.read(), np.uint8)
    types = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
    out = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        a = data[slice(*t["data_offsets"])].view(types[t["dtype"]]).reshape(t["shape"])
        out[name] = (a.astype(np.uint32) << 16).view(np.float32) if t["dtype"] == "BF16" else a
    return out


def to_bf16(x):
    """The upper halves, rounded to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def halves(x):
    return np.ascontiguousarray(x, np.float16).view(np.uint8)


def inverse(d):
    return np.divide(1, d, out=np.zeros_like(d), where=d != 0)


def q8_0(x):
    d = (np.abs(x).max(1, keepdims=True) / 127).astype(np.float16)
    q = np.rint(x * inverse(d.astype(np.float32))).clip(-128, 127).astype(np.int8)
    return np.hstack([halves(d), q.view(np.uint8)])


def q4_0(x):
    extreme = np.take_along_axis(x, np.abs(x).argmax(1, keepdims=True), 1)
    d = (extreme / -8).astype(np.float16)
    q = np.rint(x * inverse(d.astype(np.float32)) + 8).clip(0, 15).astype(np.uint8)
    return np.hstack([halves(d), q[:, :16] | q[:, 16:] << 4])


def q4_k(x):
    """Eight sub-blocks of 32, each with a scale and a minimum of 6 bits."""
    n = len(x)
    low, high = np.minimum(x.reshape(n, 8, 32).min(2), 0), x.reshape(n, 8, 32).max(2)
    d = ((high - low).max(1, keepdims=True) / 15 / 63).astype(np.float16)
    dmin = (-low.min(1, keepdims=True) / 63).astype(np.float16)
    # Scales are rounded up: a value beyond the last step would be cut off.
    s = np.ceil((high - low) / 15 * inverse(d.astype(np.float32)) - 1e-4).clip(0, 63).astype(np.uint8)
    m = np.rint(-low * inverse(dmin.astype(np.float32))).clip(0, 63).astype(np.uint8)
    scale = s[..., None] * d.astype(np.float32)[..., None]
    q = (x.reshape(n, 8, 32) + m[..., None] * dmin.astype(np.float32)[..., None]) * inverse(scale)
    q = np.rint(q).clip(0, 15).astype(np.uint8)
    packed = np.hstack([s[:, :4] | s[:, 4:] >> 4 << 6, m[:, :4] | m[:, 4:] >> 4 << 6, s[:, 4:] & 15 | (m[:, 4:] & 15) << 4])
    return np.hstack([halves(d), halves(dmin), packed, (q[:, ::2] | q[:, 1::2] << 4).reshape(n, 128)])


def q6_k(x):
    """Sixteen sub-blocks of 16, each with a signed scale of 8 bits."""
    n = len(x)
    rows = x.reshape(n, 16, 16)
    extreme = np.take_along_axis(rows, np.abs(rows).argmax(2, keepdims=True), 2)[..., 0] / -32
    d = (np.abs(extreme).max(1, keepdims=True) / 127).astype(np.float16)
    s = np.rint(extreme * inverse(d.astype(np.float32))).clip(-128, 127)
    scale = (s * d.astype(np.float32))[..., None]
    q = np.rint(rows * inverse(scale) + 32).clip(0, 63).astype(np.uint8).reshape(n, 2, 4, 32)
    low = (q[:, :, :2] & 15 | (q[:, :, 2:] & 15) << 4).reshape(n, 128)
    high = (q >> 4 << np.array([0, 2, 4, 6], np.uint8)[:, None]).sum(2, dtype=np.uint8).reshape(n, 64)
    return np.hstack([low, high, s.astype(np.int8).view(np.uint8), halves(d)])


QUANTISE = {"Q8_0": q8_0, "Q4_0": q4_0, "Q4_K": q4_k, "Q6_K": q6_k}


def convert(a, wanted):
    """(type, stored shape, bytes) of an array."""
    rows = a.reshape(a.shape[0], -1) if a.ndim > 1 else a
    kind = wanted
    if a.ndim < 2 or (wanted in BLOCK and rows.shape[1] % BLOCK[wanted]):
        kind = "F32" if wanted == "F32" or a.dtype == np.float32 else "F16"
    if kind in BLOCK:
        return kind, rows.shape, QUANTISE[kind](rows.astype(np.float32).reshape(-1, BLOCK[kind])).tobytes()
    shape = a.shape if a.ndim <= 4 else rows.shape
    data = to_bf16(a) if kind == "BF16" else a.astype({"F32": np.float32, "F16": np.float16}[kind])
    return kind, shape, data.tobytes()


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def main():
    source, target, wanted = sys.argv[1:4] if len(sys.argv) > 3 else (*sys.argv[1:3], "F16")
    if wanted not in IDS:
        sys.exit(f"{wanted}: not one of {', '.join(IDS)}")
    keys = [text("general.architecture") + struct.pack("<I", 8) + text("svd"),
            text("general.quantization_version") + struct.pack("<II", 4, 2),
            text("general.alignment") + struct.pack("<II", 4, ALIGNMENT)]
    infos, blobs, offset = [], [], 0
    for name, a in read_safetensors(source).items():
        kind, shape, data = convert(a, wanted)
        if shape != a.shape:
            keys.append(text("comfy.gguf.orig_shape." + name) + struct.pack("<IIQ", 9, 5, a.ndim) +
                        struct.pack(f"<{a.ndim}i", *a.shape))
        infos.append(text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1]) +
                     struct.pack("<IQ", IDS[kind], offset))
        data += b"\0" * (-len(data) % ALIGNMENT)
        offset += len(data)
        blobs.append(data)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(keys)) + b"".join(keys + infos)
    with open(target, "wb") as f:
        f.write(head + b"\0" * (-len(head) % ALIGNMENT))
        f.writelines(blobs)


if __name__ == "__main__":
    main()
