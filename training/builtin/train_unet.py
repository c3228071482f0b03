"""Trains the UNet and the text encoder together on cached latents. Resumes from its checkpoint.

usage: train_unet.py --home DIR [--until 600] [--lr 1.5e-3] [--decay-minutes 0]
v-prediction with min-SNR weighting (Hang et al., 2023), 10 % empty captions.
"""

import argparse
import collections
import random
import time
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer

from captions import caption, load_things, split_of
from checkpoint import Clock, Log, MovingAverage, load_if_present, save_atomically
from latents import open_latents
from models import MAX_TOKENS, make_text_encoder, make_training_scheduler, make_unet
from optimizer import Optimizer

SNR_LIMIT = 5.0
EMPTY_CAPTIONS = 0.1
PLAIN = ("conv_in", "conv_out", "embedding")


class Examples:
    """Latents with captions. Variants of one thing in one style share their weight in part."""

    def __init__(self, home: Path, seed: int):
        icons, self.things = load_things(home / "data")
        self.latents, self.done = open_latents(home, len(icons), "r")
        self.tokenizer = CLIPTokenizer.from_pretrained(home / "tokenizer")
        self.splits = np.array(split_of(icons, self.things))
        variants = collections.Counter((i.key, i.style) for i in icons)
        self.weights = np.array([variants[i.key, i.style] ** -0.6 for i in icons])
        self.random = np.random.default_rng(seed)
        self.choose = random.Random(seed)
        self.refresh()

    def refresh(self) -> None:
        self.rows = np.flatnonzero((self.splits == "train") & (self.done == 1))
        weights = self.weights[self.rows]
        self.chances = np.cumsum(weights / weights.sum())

    def tokens(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor(self.tokenizer(texts, padding="max_length", max_length=MAX_TOKENS,
                                           truncation=True).input_ids)

    def latents_of(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.latents[rows].astype(np.float32))

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [count, 8, 16, 16] and token ids [count, 32]."""
        picks = np.searchsorted(self.chances, self.random.random(count))
        rows = self.rows[np.minimum(picks, len(self.rows) - 1)]
        texts = ["" if self.choose.random() < EMPTY_CAPTIONS else
                 caption(self.things[row], self.choose) for row in rows]
        return self.latents_of(rows), self.tokens(texts)

    def held_out(self, split: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = np.flatnonzero((self.splits == split) & (self.done == 1))
        rows = np.random.default_rng(0).permutation(rows)[:count]
        choose = random.Random(0)
        return (self.latents_of(rows),
                self.tokens([caption(self.things[row], choose) for row in rows]))


class Denoising:
    """The weighted v-prediction loss of a batch."""

    def __init__(self, unet, text_encoder):
        self.unet, self.text_encoder = unet, text_encoder
        self.schedule = make_training_scheduler()
        signal = self.schedule.alphas_cumprod
        snr = signal / (1 - signal)
        self.weights = snr.clamp(max=SNR_LIMIT) / (snr + 1)

    def loss(self, latents, tokens, generator=None):
        count = len(latents)
        offsets = torch.rand(1, generator=generator) + torch.arange(count)
        steps = (offsets * (1000 / count)).long() % 1000
        noise = torch.randn(latents.shape, generator=generator)
        noisy = self.schedule.add_noise(latents, noise, steps)
        target = self.schedule.get_velocity(latents, noise, steps)
        words = self.text_encoder(tokens).last_hidden_state
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        error = (self.unet(noisy, steps, words).sample - target).square().mean((1, 2, 3))
        return (error * self.weights[steps]).mean()


@torch.no_grad()
def held_out_loss(parts, averages, examples: Examples, split: str) -> float:
    """Loss of the averaged weights with fixed noise."""
    live = [{k: v.clone() for k, v in p.state_dict().items()} for p in parts]
    for part, average in zip(parts, averages):
        part.load_state_dict(average.values)
    generator = torch.Generator().manual_seed(7)
    value = float(Denoising(*parts).loss(*examples.held_out(split, 64), generator))
    for part, state in zip(parts, live):
        part.load_state_dict(state)
    return value


def train(home: Path, until: float, lr: float, batch: int, decay_minutes: float) -> None:
    torch.manual_seed(int(time.time()))
    unet = make_unet().to(memory_format=torch.channels_last)
    text_encoder = make_text_encoder()
    both = torch.nn.ModuleList([unet, text_encoder])
    averages = [MovingAverage(unet, 0.999), MovingAverage(text_encoder, 0.999)]
    optimizer = Optimizer(both, lr, 0.01, PLAIN)
    path, step, spent = home / "unet.pt", 0, 0.0
    state = load_if_present(path)
    if state:
        unet.load_state_dict(state["unet"])
        text_encoder.load_state_dict(state["text"])
        averages[0].load_state_dict(state["unet_ema"])
        averages[1].load_state_dict(state["text_ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["seconds"]
    state = None
    examples, denoising = Examples(home, step + 1), Denoising(unet, text_encoder)
    log, clock = Log(home / "unet.jsonl"), Clock(spent)
    stop_at, next_log, losses, samples = until * 60, spent + 240, [], 0
    while clock.spent < stop_at and not clock.stopping:
        loss = denoising.loss(*examples.batch(batch))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        left = (stop_at - clock.spent) / 60
        decay = min(1.0, left / decay_minutes) if decay_minutes > 0 else 1.0
        optimizer.step(lr * min(1.0, (step + 1) / 60) * max(decay, 0.02))
        for average, part in zip(averages, both):
            average.update(part)
        losses.append(float(loss.detach()))
        step, samples = step + 1, samples + batch
        clock.tick()
        if clock.save_is_due() or clock.spent >= stop_at:
            save_atomically({"unet": unet.state_dict(), "text": text_encoder.state_dict(),
                             "unet_ema": averages[0].state_dict(),
                             "text_ema": averages[1].state_dict(), "step": step,
                             "optimizer": optimizer.state_dict(), "seconds": clock.spent}, path)
            examples.refresh()
        if clock.spent >= next_log:
            next_log = clock.spent + 300
            log.write(step=step, seconds=clock.spent, samples=samples, loss=float(np.mean(losses)),
                      held_out_style=held_out_loss(both, averages, examples, "style"),
                      rows=len(examples.rows), cpu_seconds=time.process_time(),
                      at=time.strftime("%H:%M:%S"))
            losses = []


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--until", type=float, default=600,
                        help="minutes of training over all runs")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--decay-minutes", type=float, default=0)
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    train(o.home, o.until, o.lr, o.batch, o.decay_minutes)
