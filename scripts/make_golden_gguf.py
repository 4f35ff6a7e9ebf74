#!/usr/bin/env python3
"""make_golden_gguf.py FOLDER: FOLDER/quant.gguf, a tensor of random bits of every type that src/weights/gguf.c reads, and
FOLDER/expected.safetensors, the numbers that they mean. Both by ggml's own Python package (gguf), with numpy and safetensors."""
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

folder = sys.argv[1]
random = np.random.default_rng(7)
writer = gguf.GGUFWriter(folder + "/quant.gguf", "svd")
expected = {}
kinds = gguf.GGMLQuantizationType
# Where a block has 16-bit scales: random bits would also mean infinities.
scales = {kinds.Q4_0: [0], kinds.Q8_0: [0], kinds.Q4_K: [0, 2], kinds.Q6_K: [208]}

for kind, at in scales.items():
    size, count = gguf.GGML_QUANT_SIZES[kind][1], 3 * 512 // gguf.GGML_QUANT_SIZES[kind][0]
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for k in at:
        blocks[:, k:k + 2] = random.normal(0, 0.1, (count, 1)).astype(np.float16).view(np.uint8)
    data = blocks.reshape(3, -1)
    writer.add_tensor(kind.name + ".weight", data, raw_dtype=kind)
    expected[kind.name + ".weight"] = gguf.quants.dequantize(data, kind).reshape(3, 512)

for kind, dtype in ((kinds.F32, np.float32), (kinds.F16, np.float16)):
    a = random.normal(0, 1, (2, 3, 3, 1)).astype(dtype)
    writer.add_tensor(kind.name + ".weight", a)
    expected[kind.name + ".weight"] = a.astype(np.float32)
bits = random.integers(0x3000, 0x4000, (4, 5), dtype=np.uint16)
writer.add_tensor("BF16.weight", bits.view(np.uint8), raw_dtype=kinds.BF16)
expected["BF16.weight"] = (bits.astype(np.uint32) << 16).view(np.float32)

# A temporal kernel, whose five dimensions and long name ggml itself refuses.
name = "x" * 80 + ".weight"
a = random.normal(0, 1, (4, 8, 3, 1, 1)).astype(np.float16)
writer.add_array("comfy.gguf.orig_shape.model.diffusion_model." + name, list(a.shape))
writer.add_tensor("model.diffusion_model." + name, a.reshape(4, 24))
expected[name] = a.astype(np.float32)
writer.add_string("general.name", "noise")
writer.add_array("tokenizer.ggml.tokens", ["a", "bc", ""])
writer.add_bool("general.flag", True)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, folder + "/expected.safetensors")
