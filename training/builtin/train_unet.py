"""Trains the UNet and the text encoder together on cached latents. Resumes from its checkpoint.

usage: train_unet.py --home DIR [--until 600] [--workers 2] [--lr 1.5e-3] [--decay-minutes 0]
v-prediction, 10 % empty captions. Steps are drawn in proportion to their number: at the noisy end words decide the
shape. Errors of nearly clean latents count less (min-SNR's bound,
Hang et al., 2023). Every worker has a core and
examples of its own; about every EXCHANGE seconds their weights are averaged, each counting by the steps it made
(local SGD, Stich, 2019). Worker 0 goes on until the others are ready, so that a busy core holds up nobody.
"""

import argparse
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from checkpoint import Clock, Log, MovingAverage, load_if_present, save_atomically
from examples import PLAIN, Examples
from models import make_text_encoder, make_training_scheduler, make_unet
from optimizer import Optimizer
from winograd import speed_up

SNR_LIMIT = 5.0
EXCHANGE = 20.0
AVERAGED = 0.999  # of the moving average, once a step


class Denoising:
    """The weighted v-prediction loss of a batch."""

    def __init__(self, unet, text_encoder):
        self.unet, self.text_encoder = unet, text_encoder
        self.schedule = make_training_scheduler()
        signal = self.schedule.alphas_cumprod
        self.weights = (SNR_LIMIT * (1 - signal) / signal).clamp(max=1)

    def loss(self, latents, tokens, generator=None):
        count = len(latents)
        offsets = torch.rand(1, generator=generator) + torch.arange(count)
        steps = ((offsets / count % 1).sqrt() * 1000).long()
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


@torch.no_grad()
def exchange(module: torch.nn.Module, steps: int, stop: bool) -> tuple[int, bool]:
    """Averages the weights of all workers by the steps they made; gives the sum of steps, and whether any stops."""
    values = [p.data for p in module.parameters()]
    flat = torch.cat([v.flatten() for v in values] + [torch.ones(1)]) * max(steps, 1e-3)
    dist.all_reduce(flat)
    flat /= flat[-1].clone()
    for value, mean in zip(values, flat[:-1].split([v.numel() for v in values])):
        value.copy_(mean.view_as(value))
    told = torch.tensor([float(steps), float(stop)])
    dist.all_reduce(told)
    return int(told[0]), bool(told[1] > 0)


class Trainer:
    """One worker's model, optimizer and state; worker 0 keeps the checkpoint and the average."""

    def __init__(self, home: Path, worker: int, lr: float):
        self.path, self.worker, self.lr = home / "unet.pt", worker, lr
        self.unet = speed_up(make_unet().to(memory_format=torch.channels_last))
        self.text_encoder = make_text_encoder()
        self.both = torch.nn.ModuleList([self.unet, self.text_encoder])
        self.optimizer = Optimizer(self.both, lr, 0.01, PLAIN)
        self.step, self.samples, self.spent = 0, 0, 0.0
        state = load_if_present(self.path)
        start = load_if_present(home / "text.pt")
        if start and not state:
            self.text_encoder.load_state_dict(start["text"])
        self.averages = [MovingAverage(part, AVERAGED) for part in self.both]
        if state:
            self.unet.load_state_dict(state["unet"])
            self.text_encoder.load_state_dict(state["text"])
            self.averages[0].load_state_dict(state["unet_ema"])
            self.averages[1].load_state_dict(state["text_ema"])
            if "optimizer" in state:
                self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.samples, self.spent = state["step"], state["samples"], state["seconds"]

    def save(self, spent: float) -> None:
        save_atomically({"unet": self.unet.state_dict(), "text": self.text_encoder.state_dict(),
                         "unet_ema": self.averages[0].state_dict(), "text_ema": self.averages[1].state_dict(),
                         "step": self.step, "samples": self.samples, "optimizer": self.optimizer.state_dict(),
                         "seconds": spent}, self.path)

    def update(self, loss: torch.Tensor, decay: float) -> None:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.both.parameters(), 1.0)
        self.optimizer.step(self.lr * min(1.0, (self.step + 1) / 60) * max(decay, 0.02))


def train(worker: int, o: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(o.home / f"workers-{os.getppid()}"), o.workers)
    dist.init_process_group("gloo", store=store, rank=worker, world_size=o.workers)
    random.seed(time.time_ns() + worker)
    torch.manual_seed(time.time_ns() % 2**40 + worker)
    trainer = Trainer(o.home, worker, o.lr)
    examples = Examples(o.home, (trainer.step + 1) * o.workers + worker)
    denoising = Denoising(trainer.unet, trainer.text_encoder)
    exchange(trainer.both, 1, False)
    log, clock = Log(o.home / "unet.jsonl"), Clock(trainer.spent)
    stop_at, next_log, losses, stopping, rounds = o.until * 60, clock.spent + 240, [], False, 0
    while clock.spent < stop_at and not stopping:
        until, made, ready = clock.spent + EXCHANGE, 0, f"ready-{rounds}"
        while clock.spent < until or (worker == 0 and store.add(ready, 0) < o.workers - 1):
            left = (stop_at - clock.spent) / 60
            loss = denoising.loss(*examples.batch(o.batch))
            trainer.update(loss, min(1.0, left / o.decay_minutes) if o.decay_minutes > 0 else 1.0)
            losses.append(float(loss.detach()))
            made += 1
            clock.tick()
        if worker > 0:
            store.add(ready, 1)
        rounds += 1
        steps, stopping = exchange(trainer.both, made, clock.stopping or clock.spent >= stop_at)
        trainer.step += steps
        trainer.samples += steps * o.batch
        if worker == 0:
            for average, part in zip(trainer.averages, trainer.both):
                average.update(part, steps)
            if stopping or clock.save_is_due():
                trainer.save(clock.spent)
            if clock.spent >= next_log:
                next_log = clock.spent + 300
                log.write(step=trainer.step, seconds=clock.spent, samples=trainer.samples, loss=float(np.mean(losses)),
                          held_out_style=held_out_loss(trainer.both, trainer.averages, examples, "style"),
                          cpu_seconds=time.process_time(), at=time.strftime("%H:%M:%S"))
                losses = []
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--until", type=float, default=600,
                        help="minutes of training over all runs")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--batch", type=int, default=48, help="pictures a step and worker")
    parser.add_argument("--decay-minutes", type=float, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    multiprocessing.spawn(train, (options,), nprocs=options.workers)
