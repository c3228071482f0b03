"""Encodes every picture once with the frozen encoder. Resumes where it stopped.

usage: latents.py --home DIR
writes DIR/latents.bin (float16, N x 8 x 16 x 16, means), DIR/latents-done.bin (uint8, one a
picture) and, the first time, DIR/vae-frozen.pt: the autoencoder with standardized latents. One
picture of each thing and style comes first, so that training can start before the rest is there.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as multiprocessing

from checkpoint import load_if_present, save_atomically
from dataset import load_icons, load_pictures
from models import LATENT_CHANNELS, LATENT_SIZE, make_vae

BATCH = 16
SAMPLE = 384  # pictures that decide the statistics of the latents


def encoding_order(icons) -> np.ndarray:
    seen, first, rest = set(), [], []
    for icon in icons:
        known = (icon.key, icon.style) in seen
        (rest if known else first).append(icon.index)
        seen.add((icon.key, icon.style))
    shuffle = np.random.default_rng(0)
    return np.concatenate([shuffle.permutation(first), shuffle.permutation(rest)])


def open_latents(home: Path, count: int, mode: str) -> tuple[np.memmap, np.memmap]:
    shape = (count, LATENT_CHANNELS, LATENT_SIZE, LATENT_SIZE)
    return (np.memmap(home / "latents.bin", np.float16, mode, shape=shape),
            np.memmap(home / "latents-done.bin", np.uint8, mode, shape=(count,)))


@torch.no_grad()
def encode(vae, pictures: np.ndarray, rows: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(np.ascontiguousarray(pictures[rows])).permute(0, 3, 1, 2)
    return vae.encode(x.float() / 127.5 - 1).latent_dist.mean.numpy()


@torch.no_grad()
def standardize(vae, means: torch.Tensor, deviations: torch.Tensor) -> None:
    """Makes each latent channel's mean 0 and deviation 1; decoded pictures stay the same.

    The 1x1 convolutions on both sides of the latent space absorb the change exactly.
    """
    ahead, behind, channels = vae.quant_conv, vae.post_quant_conv, LATENT_CHANNELS
    ahead.weight[:channels] /= deviations.view(-1, 1, 1, 1)
    ahead.bias[:channels] = (ahead.bias[:channels] - means) / deviations
    ahead.bias[channels:] -= 2 * deviations.log()
    behind.bias += behind.weight[:, :, 0, 0] @ means
    behind.weight *= deviations.view(1, -1, 1, 1)


def freeze(home: Path, pictures: np.ndarray, rows: np.ndarray) -> None:
    """Writes vae-frozen.pt: the averaged weights with standardized latents."""
    vae = make_vae().to(memory_format=torch.channels_last)
    vae.load_state_dict(load_if_present(home / "vae.pt")["ema"]["values"])
    values = np.concatenate([encode(vae, pictures, np.sort(rows[i : i + BATCH]))
                             for i in range(0, len(rows), BATCH)])
    values = torch.from_numpy(values).double()
    standardize(vae, values.mean((0, 2, 3)).float(), values.std((0, 2, 3)).float())
    save_atomically(vae.state_dict(), home / "vae-frozen.pt")


def encode_share(worker: int, home: Path, order: np.ndarray, workers: int) -> None:
    torch.set_num_threads(1)
    icons, pictures = load_icons(home / "data"), load_pictures(home / "data")
    vae = make_vae().to(memory_format=torch.channels_last)
    vae.load_state_dict(load_if_present(home / "vae-frozen.pt"))
    latents, done = open_latents(home, len(icons), "r+")
    share = order[worker::workers]
    for start in range(0, len(share), BATCH):
        rows = np.sort(share[start : start + BATCH])
        latents[rows] = encode(vae, pictures, rows).astype(np.float16)
        done[rows] = 1


def encode_all(home: Path, workers: int) -> None:
    icons = load_icons(home / "data")
    order = encoding_order(icons)
    if not (home / "vae-frozen.pt").exists():
        freeze(home, load_pictures(home / "data"), order[:SAMPLE])
    fresh = not (home / "latents.bin").exists()
    _, done = open_latents(home, len(icons), "w+" if fresh else "r+")
    multiprocessing.spawn(encode_share, (home, order[done[order] == 0], workers), nprocs=workers)
    print(f"{int(done.sum())} of {len(icons)} pictures encoded")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    encode_all(options.home, options.workers)
