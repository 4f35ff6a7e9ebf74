#!/usr/bin/env python3
"""Turns a trained built-in depth network (.npz of the training run) into models/builtin/depth.safetensors.

    convert_builtin.py weights.npz models/builtin/depth.safetensors

Needs numpy alone. Two exact savings are made on the way: the stem's weights for the three input channels that the
single-frame recipe always fills with zeros are dropped, and so are the four unused outputs of the last convolution.
"""

import json
import re
import struct
import sys

import numpy as np

# Training-time names are terse; the published ones say what a layer is. First match wins.
RENAME = [
    (r"^stem\.", "stem."),
    (r"^e(\d)\.(\d)\.", r"encoder.\1.\2."),
    (r"^d(\d)\.", r"down.\1."),
    (r"^mid\.(\d)\.", r"middle.\1."),
    (r"^u(\d)\.", r"up.\1."),
    (r"^g(\d)\.(\d)\.", r"decoder.\1.\2."),
    (r"^no\.", "head.norm."),
    (r"^o1\.", "head.conv1."),
    (r"^o2\.", "head.conv2."),
]
LAYERS = {"n1": "norm1", "n2": "norm2", "c1": "conv1", "c2": "conv2", "sk": "skip", "o": "out", "f1": "fc1", "f2": "fc2"}
ZERO_INPUTS = slice(3, 6)
USED_OUTPUTS = 4


def published_name(name):
    for pattern, replacement in RENAME:
        new, count = re.subn(pattern, replacement, name)
        if count:
            return ".".join(LAYERS.get(part, part) for part in new.split("."))
    sys.exit(f"{name}: not a layer of this network")


def convert(arrays):
    tensors = {}
    for name in arrays.files:
        new, value = published_name(name), arrays[name]
        if new == "stem.weight":
            value = np.delete(value, ZERO_INPUTS, axis=1)
        if new.startswith("head.conv2."):
            value = value[:USED_OUTPUTS]
        if value.ndim == 4 and value.shape[2:] == (1, 1):
            value = value[:, :, 0, 0]
        tensors[new] = np.ascontiguousarray(value, dtype="<f2")
    return tensors


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F16", "shape": value.shape, "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.tobytes())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tensors = convert(np.load(sys.argv[1]))
    write_safetensors(sys.argv[2], tensors, {"model": "stereocrafter built-in depth", "version": "1"})
    print(f"{sys.argv[2]}: {len(tensors)} tensors, {sum(v.size for v in tensors.values()):,} values")


if __name__ == "__main__":
    main()
