#!/usr/bin/env python3
"""Writes a whole tiny model in the diffusers layout: tiny_model.py FOLDER. The configs are those of the golden case
pipeline/tiny_sd; the weights follow the rules of tests/golden/fill.py, here without numpy."""

import array
import json
import math
import pathlib
import shutil
import struct
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "golden" / "pipeline" / "tiny_sd" / "model"
MASK = (1 << 64) - 1
SHARP = (".to_q.weight", ".to_k.weight", ".q_proj.weight", ".k_proj.weight")
EMBEDDING = ("token_embedding.weight", "position_embedding.weight")


def seed_of(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def scale_and_offset(name, shape):
    """fill() is scale * v + offset of a uniform v in [0, 1)."""
    if name.endswith(".bias"):
        return 0.4, -0.2
    if len(shape) < 2:
        return 0.5, 0.75
    if name.endswith(EMBEDDING):
        return 1.0, -0.5
    bound = math.sqrt(3 / math.prod(shape[1:])) * (1.5 if name.endswith(SHARP) else 1)
    return 2 * bound, -bound


def fill(name, shape):
    scale, offset = scale_and_offset(name, shape)
    scale *= 2.0**-24
    z = seed_of(name)
    values = array.array("f", bytes(4 * math.prod(shape)))
    for i in range(len(values)):
        z = (z + 0x9E3779B97F4A7C15) & MASK
        u = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        u = ((u ^ u >> 27) * 0x94D049BB133111EB) & MASK
        values[i] = ((u ^ u >> 31) >> 40) * scale + offset
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def write_safetensors(path, shapes):
    header, blobs, at = {}, [], 0
    for name, shape in shapes.items():
        blobs.append(fill(name, shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_model(folder):
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("parameters.json"))
    for parameters in sorted(SOURCE.glob("*/parameters.json")):
        part = parameters.parent.name
        name = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
        write_safetensors(pathlib.Path(folder) / part / f"{name}.safetensors", json.loads(parameters.read_text()))


if __name__ == "__main__":
    write_model(sys.argv[1])
