"""Trains the 8x autoencoder with 8 latent channels. Resumes from its checkpoint.

usage: train_vae.py --home DIR [--minutes 55] [--decoder-only]
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from checkpoint import Clock, Log, MovingAverage, load_if_present, save_atomically
from dataset import SIZE, load_icons, load_pictures, name_is_held_out
from models import make_vae
from optimizer import Optimizer

KL_WEIGHT = 1e-4
CROP = 64


class Crops:
    """Random crops with rotations, flips, channel order and contrast changed now and then."""

    def __init__(self, pictures: np.ndarray, rows: np.ndarray, seed: int):
        self.pictures, self.rows = pictures, rows
        self.random = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> torch.Tensor:
        """float32 [count, 3, size, size] in [-1, 1], channels last."""
        r = self.random
        out = np.empty((count, size, size, 3), np.float32)
        for i in range(count):
            y, x = r.integers(0, SIZE - size + 1, 2)
            crop = self.pictures[r.choice(self.rows), y : y + size, x : x + size]
            crop = np.rot90(crop, r.integers(0, 4)) if r.random() < 0.3 else crop
            crop = crop[:, ::-1] if r.random() < 0.5 else crop
            crop = crop[..., r.permutation(3)] if r.random() < 0.2 else crop
            value = crop.astype(np.float32) / 127.5 - 1
            if r.random() < 0.2:
                value = 1 - (1 - value) * r.uniform(0.6, 1.0)
            out[i] = value
        return torch.from_numpy(out).permute(0, 3, 1, 2)


def reconstruction_loss(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    error = y - x
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 0.5 * edges + error.square().mean()


@torch.no_grad()
def psnr(vae: AutoencoderKL, pictures: np.ndarray, rows: np.ndarray) -> float:
    """Mean over pictures of the PSNR in dB of decoded means, 8-bit peak."""
    total = 0.0
    for start in range(0, len(rows), 8):
        x = np.ascontiguousarray(pictures[np.sort(rows[start : start + 8])])
        x = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1
        y = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        total += float((-10 * torch.log10((y - x).square().mean((1, 2, 3)) / 4)).sum())
    return total / len(rows)


def train(home: Path, minutes: float, lr: float, decoder_only: bool) -> None:
    torch.manual_seed(1)
    icons = load_icons(home / "data")
    pictures = load_pictures(home / "data")
    shown = np.array([i.index for i in icons if not name_is_held_out(i)])
    held = np.array([i.index for i in icons if name_is_held_out(i)])
    held = np.random.default_rng(0).permutation(held)[:64]
    vae = make_vae().to(memory_format=torch.channels_last)
    ema = MovingAverage(vae, 0.999)
    path = home / ("vae-decoder.pt" if decoder_only else "vae.pt")
    state = load_if_present(path)
    if decoder_only:
        vae.load_state_dict(load_if_present(home / "vae-frozen.pt"))
        ema = MovingAverage(vae, 0.999)
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    optimizer = Optimizer(vae, lr, 0.0, ("conv_in", "conv_out", "quant_conv"))
    step, clock = 0, Clock(0.0)
    if state:
        vae.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, clock = state["step"], Clock(state["seconds"])
    crops = Crops(pictures, shown, step + 1)
    log = Log(path.with_suffix(".jsonl"))
    budget, next_eval, sums = minutes * 60, clock.spent + 120, []
    while clock.spent < budget and not clock.stopping:
        progress = clock.spent / budget
        whole = progress > 0.5 and step % 3 == 0
        x = crops.batch(2, SIZE) if whole else crops.batch(6, CROP)
        with torch.set_grad_enabled(not decoder_only):
            latent = vae.encode(x).latent_dist
            z = latent.sample()
        loss = reconstruction_loss(vae.decode(z).sample, x)
        sums.append(float(loss.detach()))
        if not decoder_only:
            loss = loss + KL_WEIGHT * latent.kl().mean() / z[0].numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        rate = lr * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
        optimizer.step(rate)
        ema.update(vae)
        step += 1
        clock.tick()
        if clock.save_is_due():
            save_atomically({"model": vae.state_dict(), "ema": ema.state_dict(), "step": step,
                             "optimizer": optimizer.state_dict(), "seconds": clock.spent}, path)
        if clock.spent >= next_eval or clock.spent >= budget:
            next_eval = clock.spent + 480
            test = make_vae().to(memory_format=torch.channels_last)
            test.load_state_dict(ema.values)
            log.write(step=step, seconds=clock.spent, loss=float(np.mean(sums)), rate=rate,
                      held_out_psnr=psnr(test, pictures, held), at=time.strftime("%H:%M:%S"))
            sums = []
    save_atomically({"model": vae.state_dict(), "ema": ema.state_dict(), "step": step,
                     "optimizer": optimizer.state_dict(), "seconds": clock.spent}, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=55)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--decoder-only", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.home, options.minutes, options.lr, options.decoder_only)
