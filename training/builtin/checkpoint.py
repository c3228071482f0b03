"""Checkpoints that survive a kill at any moment, the moving average and a JSON-lines log."""

import json
import os
import signal
import time
from pathlib import Path

import torch


def save_atomically(state: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_if_present(path: Path) -> dict | None:
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


class MovingAverage:
    """Exponential moving average of parameters; the window grows up to 1 / (1 - decay)."""

    def __init__(self, module: torch.nn.Module, decay: float):
        self.decay = decay
        self.steps = 0
        self.values = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, steps: int = 1) -> None:
        """`steps`: optimizer steps since the last call."""
        self.steps += steps
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** steps
        live = module.state_dict()
        keys = [k for k, v in self.values.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.values[k] for k in keys], [live[k] for k in keys], 1 - decay)

    def state_dict(self) -> dict:
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: dict) -> None:
        self.steps = state["steps"]
        for key, value in state["values"].items():
            self.values[key].copy_(value)


class Log:
    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a", buffering=1)

    def write(self, **fields) -> None:
        line = {k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()}
        self.file.write(json.dumps(line) + "\n")


class Clock:
    """Training seconds over all runs, the time since the last save, and a polite stop."""

    def __init__(self, spent: float, save_every: float = 120.0):
        self.spent = spent
        self.save_every = save_every
        self.last = self.saved = time.monotonic()
        self.stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, *_):
        self.stopping = True

    def tick(self) -> float:
        now = time.monotonic()
        self.spent += now - self.last
        self.last = now
        return self.spent

    def save_is_due(self) -> bool:
        if self.stopping or self.last - self.saved >= self.save_every:
            self.saved = self.last
            return True
        return False
