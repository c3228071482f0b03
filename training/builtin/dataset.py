"""The drawn emoji sets: pictures (memory-mapped), names, skin tones and the held-out splits."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZE = 128
TONES = ("medium-light", "medium-dark", "light", "medium", "dark")
STYLES = ("noto", "fluent flat", "fluent 3d", "firefox", "twemoji")
_TONE_SUFFIX = re.compile(r"-(medium-light|medium-dark|light|medium|dark)$")
_TONE_WORDS = re.compile(r"-(medium-light|medium-dark|light|medium|dark)-skin-tone")


@dataclass(frozen=True)
class Icon:
    index: int  # row in images.bin
    style: str
    name: str
    label: str
    tags: tuple
    group: int | None
    key: str  # the thing shown, without skin tone and hyphens: equal across styles
    tones: tuple  # skin tones in reading order


def unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2.0**64


def _strip_tones(name: str, siblings: set) -> tuple[str, tuple]:
    tones = tuple(_TONE_WORDS.findall(name))
    if tones:
        return _TONE_WORDS.sub("", name), tones
    match = _TONE_SUFFIX.search(name)
    if match:
        base = name[: match.start()]
        if f"{base}-dark" in siblings and f"{base}-medium-dark" in siblings:
            return base, (match.group(1),)
    return name, ()


def load_icons(data_dir: Path) -> list[Icon]:
    rows = [json.loads(line) for line in (data_dir / "captions.jsonl").open()]
    siblings = {style: {r["name"] for r in rows if r["style"] == style} for style in STYLES}
    icons = []
    for row in rows:
        base, tones = _strip_tones(row["name"], siblings[row["style"]])
        key = base.replace("-", "")
        icons.append(Icon(row["i"], row["style"], row["name"], row["label"], tuple(row["tags"]),
                          row["group"], key, tones))
    return icons


def load_pictures(data_dir: Path) -> np.memmap:
    """uint8, [pictures, 128, 128, 3]."""
    path = data_dir / "images.bin"
    count = path.stat().st_size // (SIZE * SIZE * 3)
    return np.memmap(path, np.uint8, "r", shape=(count, SIZE, SIZE, 3))


def name_is_held_out(icon: Icon) -> bool:
    """2 % of the things are never shown in any style."""
    return unit_hash("name:" + icon.key) < 0.02
