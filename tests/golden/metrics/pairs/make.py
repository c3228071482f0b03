"""PSNR, SSIM and MS-SSIM of torchmetrics (float64) and SSIM of scikit-image for formula pictures.

torchmetrics is not among the usual packages: pip install --target DIR torchmetrics==1.9.0 lightning-utilities, then run
with PYTHONPATH=DIR. noise and smooth: src/image/noise_test.h.
"""
import hashlib
import sys
from pathlib import Path

import numpy as np
import safetensors
import skimage
import torch
import torchmetrics
from safetensors.numpy import save_file
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (multiscale_structural_similarity_index_measure as ms_ssim,
                                           peak_signal_noise_ratio as psnr, structural_similarity_index_measure as ssim)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from fill import uniform  # noqa: E402


def noise(seed, height, width):
    return np.floor(256 * uniform(seed, height * width * 3)).astype(np.uint8).reshape(height, width, 3)


def smooth(seed, height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.floor(127.5 + 100 * np.sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + seed) + 0.5).astype(np.uint8)


def mixed(image, other, divisor):
    """image + other ÷ divisor − 128 ÷ divisor, clipped."""
    return np.clip(image.astype(int) + other // divisor - 128 // divisor, 0, 255).astype(np.uint8)


def pairs():
    yield "noise", noise(42, 64, 64), noise(43, 64, 64)
    yield "smooth", smooth(0, 96, 80), smooth(1, 96, 80)
    yield "noisy", smooth(0, 96, 80), mixed(smooth(0, 96, 80), noise(44, 96, 80), 32)
    yield "large", smooth(0, 192, 208), mixed(smooth(0, 192, 208), noise(45, 192, 208), 16)
    yield "odd", noise(3, 181, 187), mixed(noise(3, 181, 187), noise(4, 181, 187), 4)
    yield "tiny", noise(5, 6, 7), noise(6, 6, 7)


def main():
    tensors = {}
    for name, a, b in pairs():
        x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].double() / 255 for p in (a, b))
        tensors[f"{name}.psnr"] = psnr(y, x, data_range=(0.0, 1.0), reduction="elementwise_mean", dim=(1, 2, 3))
        tensors[f"{name}.ssim"] = ssim(y, x, data_range=1.0)
        if min(a.shape[:2]) >= 11:
            valid = structural_similarity(a / 255, b / 255, channel_axis=2, gaussian_weights=True, sigma=1.5,
                                          use_sample_covariance=False, data_range=1.0)
            tensors[f"{name}.ssim_valid"] = torch.tensor(valid)
        if min(a.shape[:2]) > 160:
            tensors[f"{name}.ms_ssim"] = ms_ssim(y, x, data_range=1.0)
            four = np.array([0.0448, 0.2856, 0.3001, 0.2363])
            tensors[f"{name}.ms_ssim_4"] = ms_ssim(y, x, data_range=1.0, betas=tuple(four / four.sum()))
    metadata = {m.__name__: m.__version__ for m in (torch, torchmetrics, skimage, np, safetensors)}
    metadata |= {"python": sys.version.split()[0], "make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}
    save_file({k: np.array([float(v)], np.float64) for k, v in tensors.items()}, HERE / "data.safetensors", metadata=metadata)
    print({k: float(v) for k, v in tensors.items()}, metadata)


main()
