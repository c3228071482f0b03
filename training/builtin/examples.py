"""Latents with captions drawn at random, and held-out ones that stay the same."""

import collections
import random
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer

from captions import caption, load_things, split_of
from latents import open_latents
from models import MAX_TOKENS

EMPTY_CAPTIONS = 0.1
GROUP_WEIGHTS = {"flag": 0.2,  # 260 designs that 16x16 latents hardly hold
                 "symbol": 0.6,  # easily learned
                 "": 0.3}  # names that stand in no list of words, often cryptic
PLAIN = ("conv_in", "conv_out", "embedding")  # parameters that learn with AdamW


class Examples:
    """Variants of one thing in one style share the weight of one picture."""

    def __init__(self, home: Path, seed: int):
        icons, self.things = load_things(home / "data")
        self.latents, self.done = open_latents(home, len(icons), "r")
        self.tokenizer = CLIPTokenizer.from_pretrained(home / "tokenizer")
        self.splits = np.array(split_of(icons, self.things))
        variants = collections.Counter((i.key, i.style) for i in icons)
        self.weights = np.array([GROUP_WEIGHTS.get(t.group, 1) / variants[i.key, i.style]
                                 for i, t in zip(icons, self.things)])
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

    def batch(self, count: int, empty: float = EMPTY_CAPTIONS) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [count, 8, 16, 16] and token ids [count, 32]."""
        picks = np.searchsorted(self.chances, self.random.random(count))
        rows = self.rows[np.minimum(picks, len(self.rows) - 1)]
        texts = ["" if self.choose.random() < empty else
                 caption(self.things[row], self.choose) for row in rows]
        return self.latents_of(rows), self.tokens(texts)

    def held_out(self, split: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = np.flatnonzero((self.splits == split) & (self.done == 1))
        rows = np.random.default_rng(0).permutation(rows)[:count]
        choose = random.Random(0)
        return (self.latents_of(rows),
                self.tokens([caption(self.things[row], choose) for row in rows]))
