"""torch.nn.functional.interpolate on float32 pictures, and Pillow's pictures for CLIP.

interpolate.<w>x<h>.<W>x<H>.<mode>   noise(7, h, w) as float32 [1, 3, h, w], resized, align_corners False; stored [H, W, 3]. Modes:
                                     bilinear, bicubic, the same with -antialias, and tf1, which is TensorFlow 1's rule written
                                     with torch operations: x = i scale, two samples, width first
clip.<channels>.<w>x<h>.<rule>       noise(7, h, w) resized to a shorter side of 32 and cropped by the rule (torchvision
                                     or huggingface); channels 4 shows which conversion to RGB comes first
published.<kind>.<w>x<h>             FNV-1a 64 of the 224x224 picture for CLIP (torchvision's rule) of smooth(3, h, w) or
                                     noise(46, h, w), whose MD5 must be the published one

noise(seed, h, w): sample k in row-major order is floor(256 u(seed, k + 1)), u as in tests/golden/fill.py.
"""
import hashlib
import sys
from pathlib import Path

import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from fill import uniform  # noqa: E402
from record import metadata, save_tensors  # noqa: E402

SIZES = [((8, 8), (5, 5)), ((8, 8), (11, 11)), ((13, 7), (7, 13)), ((1, 1), (4, 3)), ((5, 4), (5, 9)), ((37, 21), (10, 30)),
         ((211, 3), (23, 2)), ((3, 100), (2, 299)), ((9, 9), (1, 1))]
MODES = ("bilinear", "bicubic", "bilinear-antialias", "bicubic-antialias", "tf1")

PUBLISHED = {
    "smooth.64x48": "25c957f9cd33963e3e73dc41fd3d0c92", "smooth.512x400": "8f512413d0d8378a6de0a9cea3e73620",
    "smooth.1024x1024": "a059592da7d79eb91fde4eb2672c4858", "smooth.500x375": "548238ac38ec4d966e083fcbb0ff5913",
    "noise.64x48": "69a6e13f3e87ec7f0e9cc86958193ab8", "noise.512x400": "62d21cbb2866aa684dba01178b810696",
    "noise.1024x1024": "1bc0ea8d81a21d9aad13ecc3e5af7939", "noise.500x375": "81c729e60de273fe8cafe5369fbf1231",
}


def noise(seed, height, width, channels=3):
    values = np.floor(256 * uniform(seed, height * width * channels)).astype(np.uint8)
    return values.reshape(height, width, channels)


def smooth(seed, height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.floor(127.5 + 100 * np.sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + seed) + 0.5).astype(np.uint8)


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def published(name, md5):
    kind, size = name.split(".")
    width, height = map(int, size.split("x"))
    pixels = clip(smooth(3, height, width) if kind == "smooth" else noise(46, height, width), "torchvision", 224).tobytes()
    assert hashlib.md5(pixels).hexdigest() == md5, name
    return np.array([fnv1a64(pixels)], np.uint64).view(np.int64)


def tensorflow1(image, width, height):
    def axis(in_size, out_size):
        at = torch.arange(out_size, dtype=torch.float32) * (in_size / out_size)
        low = at.long()
        return low, (low + 1).clamp_max(in_size - 1), at - low.float()
    low, high, part = axis(image.shape[3], width)
    image = image[..., low] + (image[..., high] - image[..., low]) * part
    low, high, part = axis(image.shape[2], height)
    return image[..., low, :] + (image[..., high, :] - image[..., low, :]) * part[:, None]


def interpolated(pixels, size, mode):
    image = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float()[None]
    if mode == "tf1":
        out = tensorflow1(image, *size)
    else:
        out = F.interpolate(image, size=size[::-1], mode=mode.split("-")[0], align_corners=False, antialias="-" in mode)
    return out[0].numpy().transpose(1, 2, 0)


def shorter_side(image, size):
    width, height = image.size
    if width <= height:
        return image.resize((size, int(size * height / width)), Image.BICUBIC)
    return image.resize((int(size * width / height), size), Image.BICUBIC)


def cropped(image, size, rule):
    half = (lambda rest: int(round(rest / 2.0))) if rule == "torchvision" else (lambda rest: rest // 2)
    left, top = half(image.width - size), half(image.height - size)
    return image.crop((left, top, left + size, top + size))


def clip(pixels, rule, size=32):
    image = Image.fromarray(pixels)
    if rule == "huggingface":
        image = image.convert("RGB")
    return np.asarray(cropped(shorter_side(image, size), size, rule).convert("RGB"))


def main():
    torch.set_num_threads(1)
    tensors = {}
    for (w, h), (W, H) in SIZES:
        for mode in MODES:
            tensors[f"interpolate.{w}x{h}.{W}x{H}.{mode}"] = interpolated(noise(7, h, w), (W, H), mode)
    for channels, w, h in ((3, 33, 48), (3, 61, 40), (3, 40, 43), (3, 100, 32), (4, 61, 40), (4, 33, 48)):
        for rule in ("torchvision", "huggingface"):
            tensors[f"clip.{channels}.{w}x{h}.{rule}"] = clip(noise(7, h, w, channels), rule)
    for name, md5 in PUBLISHED.items():
        tensors[f"published.{name}"] = published(name, md5)
    save_tensors(tensors, HERE / "data.safetensors", metadata(__file__) | {"PIL": PIL.__version__})
    print(len(tensors), "tensors", (HERE / "data.safetensors").stat().st_size, "bytes")


main()
