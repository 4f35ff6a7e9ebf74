#!/usr/bin/env python3
"""layouts.py NAMES FILE [option=value...]: a file of published weights, of NAMES.tsv's tensors and full size, as
numbers that take no room on a disk. in=N: the input channels of conv_in. type=F32: else F16. part=I/N: the Ith of N
shards; with I = N the shards' index. cut=N: so many bytes are missing at the end. without, rename, turn=TENSOR: it is
missing, has another name, has its axes the other way round. extra=TENSOR: one number more, of this name."""
import json
import sys
from pathlib import Path


def main():
    source, path, *words = sys.argv[1:]
    o = dict(w.split("=", 1) for w in words)
    tensors = []
    for line in open(source):
        name, shape = line.rstrip("\n").split("\t")
        shape = json.loads(shape)
        if name == "conv_in.weight" and "in" in o:
            shape[1] = int(o["in"])
        if name == o.get("turn"):
            shape.reverse()
        if name != o.get("without"):
            tensors.append(("renamed" if name == o.get("rename") else name, shape))
    if "extra" in o:
        tensors.append((o["extra"], [1]))
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    part, parts = map(int, o.get("part", "0/1").split("/"))
    if part == parts:
        shards = {name: f"{file.name.split('.')[0]}-{i % parts + 1:05}-of-{parts:05}.safetensors"
                  for i, (name, _) in enumerate(tensors)}
        file.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
        return
    header, end = {}, 0
    for name, shape in tensors[part::parts]:
        begin, numbers = end, 1
        for n in shape:
            numbers *= n
        end += numbers * (4 if o.get("type") == "F32" else 2)
        header[name] = {"dtype": o.get("type", "F16"), "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(file, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        f.truncate(8 + len(text) + end - int(o.get("cut", 0)))


main()
