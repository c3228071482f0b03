"""Pictures as Pillow reads and resizes them.

resize.<channels>.<w>x<h>.<W>x<H>.<filter>    noise(7, h, w) resized in 8 bits: all pixels, or one FNV-1a hash if large
float.<w>x<h>.<W>x<H>.<filter>                the same in mode F: float32
file.<name>                                   a picture file; rgb.<name>: its pixels as RGB; upright.<name>: after EXIF
                                              transposition; grey.<name>: as L
text.<name>                                   PNG with texts

noise(seed, h, w): sample k in row-major order is floor(256 u(seed, k + 1)), u as in tests/golden/fill.py.
"""
import hashlib
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
import safetensors
from PIL import Image, ImageOps, PngImagePlugin
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from fill import uniform  # noqa: E402

FILTERS = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC,
           "lanczos": Image.LANCZOS}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
SMALL = [((8, 8), (5, 5)), ((8, 8), (11, 11)), ((9, 9), (3, 3)), ((13, 7), (7, 13)), ((1, 1), (4, 3)), ((5, 4), (5, 9)),
         ((6, 5), (17, 5)), ((31, 17), (1, 1))]
LARGE = [((640, 427), (224, 224)), ((100, 75), (512, 384)), ((1000, 3), (77, 64)), ((97, 211), (96, 210)),
         ((512, 512), (512, 64))]


def noise(seed, height, width, channels):
    values = np.floor(256 * uniform(seed, height * width * channels)).astype(np.uint8)
    return values.reshape(height, width, channels)


def to_pillow(pixels):
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, MODES[pixels.shape[2]])


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def as_u8(data):
    return np.frombuffer(data, np.uint8)


def add_resizes(tensors):
    for (w, h), (W, H) in SMALL + LARGE:
        large = ((w, h), (W, H)) in LARGE
        for channels in (3,) if large else (1, 3, 4):
            for name, kind in FILTERS.items():
                got = np.asarray(to_pillow(noise(7, h, w, channels)).resize((W, H), kind))
                value = np.array([fnv1a64(got.tobytes())], np.uint64).view(np.int64) if large else got
                tensors[f"resize.{channels}.{w}x{h}.{W}x{H}.{name}"] = value
        if not large:
            for name, kind in FILTERS.items():
                image = Image.fromarray(noise(7, h, w, 1)[:, :, 0].astype(np.float32) - 100.5, "F")
                tensors[f"float.{w}x{h}.{W}x{H}.{name}"] = np.asarray(image.resize((W, H), kind))


def smooth(height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.floor(127.5 + 100 * np.sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + 5) + 0.5).astype(np.uint8)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_16_bit(pixels, interlaced):
    """An RGB PNG of 16 bits; the low byte is noise. Interlaced by the seven passes of Adam7."""
    height, width, _ = pixels.shape
    wide = np.stack([pixels, noise(9, height, width, 3)], axis=-1).reshape(height, width * 6)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for y0, x0, dy, dx in passes if interlaced else [(0, 0, 1, 1)]:
        part = wide.reshape(height, width, 6)[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def oriented_exif(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def files():
    rgb = Image.fromarray(smooth(30, 44))
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(noise(11, 30, 44, 1)[:, :, 0]))
    grey, palette = rgb.convert("L"), rgb.quantize(37)
    yield "grey.png", saved(grey, "PNG")
    yield "rgb.png", saved(rgb, "PNG")
    yield "rgba.png", saved(alpha, "PNG")
    yield "la.png", saved(alpha.convert("LA"), "PNG")
    yield "bit.png", saved(rgb.convert("1"), "PNG")
    yield "palette.png", saved(palette, "PNG")
    yield "palette_clear.png", saved(palette, "PNG", transparency=3)
    yield "rgb_clear.png", saved(rgb, "PNG", transparency=(10, 20, 30))
    yield "rgb16.png", png_16_bit(smooth(30, 44), False)
    yield "interlaced.png", png_16_bit(smooth(30, 44), True)
    yield "turned.png", saved(rgb, "PNG", exif=oriented_exif(8))
    yield "grey.jpg", saved(grey, "JPEG")
    yield "cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG", quality=90)
    yield "progressive.jpg", saved(rgb, "JPEG", progressive=True, quality=60)
    for sampling in (0, 1, 2):
        yield f"sampling{sampling}.jpg", saved(rgb, "JPEG", subsampling=sampling, quality=85)
    for turn in range(1, 9):
        yield f"turned{turn}.jpg", saved(rgb, "JPEG", exif=oriented_exif(turn), quality=30)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "alpha.webp", saved(alpha, "WEBP", lossless=True, exact=True)
    yield "lossy.webp", saved(rgb, "WEBP", quality=70)


def add_files(tensors):
    for name, data in files():
        image = Image.open(io.BytesIO(data))
        tensors[f"file.{name}"] = as_u8(data)
        tensors[f"rgb.{name}"] = np.asarray(image.convert("RGB"))
        if name.startswith("turned"):
            tensors[f"upright.{name}"] = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        if name == "rgb.png":
            tensors[f"grey.{name}"] = np.asarray(image.convert("L"))
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat\nSteps: 20, Größe: 5×5")
    info.add_text("prompt", "一只猫 🐱")
    info.add_text("long", "abc " * 100, zip=True)
    info.add_itxt("Title", "mèo", zip=True)
    tensors["text.many"] = as_u8(saved(Image.new("RGB", (2, 2)), "PNG", pnginfo=info))


def main():
    tensors = {}
    add_resizes(tensors)
    add_files(tensors)
    metadata = {m.__name__: m.__version__ for m in (PIL, np, safetensors)}
    metadata |= {"python": sys.version.split()[0], "make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}
    path = HERE / "data.safetensors"
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, metadata=metadata)
    print(len(tensors), "tensors", path.stat().st_size, "bytes", metadata)


main()
