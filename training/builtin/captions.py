"""Words for every picture: a label, tags, and one of several wordings drawn at random."""

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from dataset import TONES, Icon, load_icons, unit_hash

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white")
HAIR = ("red hair", "curly hair", "white hair", "bald", "blond hair", "beard")
GROUPS = ("face", "person", "", "animal", "food", "place", "activity", "object", "symbol", "flag")


@dataclass(frozen=True)
class Thing:
    label: str  # "red apple", "thumbs up"
    tags: tuple
    tones: tuple
    style: str
    group: str


class Segmenter:
    """Splits a run-together name ("alarmclock") into known words, longest words preferred."""

    def __init__(self, words: set):
        self.words = {w for w in words if len(w) > 2} | set("a ok up on in of no at tv go to".split())

    def split(self, text: str) -> str:
        best = {0: (0, [])}
        for end in range(1, len(text) + 1):
            for start in range(max(0, end - 18), end):
                piece = text[start:end]
                if start in best and (piece in self.words or piece.isdigit()):
                    cost = best[start][0] + 1 + 1.0 / len(piece)
                    if end not in best or cost < best[end][0]:
                        best[end] = (cost, best[start][1] + [piece])
        return " ".join(best[len(text)][1]) if len(text) in best else text


def _plain_label(label: str) -> str:
    label = re.sub(r":\s*", " ", label.lower())
    label = re.sub(r"\b(medium-light|medium-dark|light|medium|dark) skin tone,?\s*", "", label)
    label = label.replace("“", "").replace("”", "").replace("’", "'")
    return re.sub(r"\s+", " ", label).strip(" ,")


def load_things(data_dir: Path) -> tuple[list[Icon], list[Thing]]:
    """One Thing for each icon, in the icons' order."""
    icons = load_icons(data_dir)
    known = {}
    for row in json.loads((data_dir / "words.json").read_text()):
        plain = _plain_label(row["label"])
        known.setdefault(re.sub(r"[^a-z0-9]", "", plain), (plain, tuple(row["tags"]), row["group"]))
    for icon in icons:
        if icon.group is not None:
            known.setdefault(icon.key, (_plain_label(icon.label), icon.tags, icon.group))
    words = {w for plain, tags, _ in known.values() for w in
             re.findall(r"[a-z]+", " ".join((plain, *tags)).lower())}
    words |= {w for i in icons if "-" in i.name for w in i.name.split("-") if w.isalpha()}
    segmenter = Segmenter(words)
    things = []
    for icon in icons:
        label, tags, group = known.get(icon.key, (None, (), None))
        if label is None:
            stem = re.sub(r"-(" + "|".join(TONES) + r")(-skin-tone)?", "", icon.name)
            label = stem.replace("-", " ") if "-" in stem else segmenter.split(stem)
        group_word = GROUPS[group] if group is not None else ""
        things.append(Thing(label, tags, icon.tones, icon.style, group_word))
    return icons, things


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _with_tone(thing: Thing, choose: random.Random) -> str:
    tones = " and ".join(dict.fromkeys(t + " skin tone" for t in thing.tones))
    if not tones:
        return thing.label
    return choose.choice((f"{thing.label} with {tones}", f"{thing.label}, {tones}",
                          f"{tones} {thing.label}"))


def caption(thing: Thing, choose: random.Random) -> str:
    words = _with_tone(thing, choose)
    if choose.random() < 0.5:
        words = _article(words)
    tags = [t for t in thing.tags if choose.random() < 0.35]
    choose.shuffle(tags)
    tags = tags[:3] if choose.random() < 0.6 else []
    if thing.group and choose.random() < 0.15:
        tags.append(thing.group)
    if tags and choose.random() < 0.1:
        words, tags = tags[0], tags[1:]
    extra = "".join(f", {t}" for t in tags)
    pick = choose.random()
    if pick < 0.45:
        return f"{words}, {thing.style}{extra}"
    if pick < 0.60:
        return f"{words}{extra}, {thing.style}"
    if pick < 0.72:
        return f"{words} in {thing.style} style{extra}"
    if pick < 0.84:
        return f"{thing.style} emoji of {words}{extra}"
    if pick < 0.92:
        return f"{thing.style} {words}{extra}"
    return words + extra


def _attribute_family(label: str) -> tuple[str, str] | None:
    """("red apple") -> ("red", "* apple"): the attribute and the rest of the words."""
    for attribute in HAIR + COLOURS:
        if re.search(rf"\b{attribute}\b", label):
            return attribute, re.sub(rf"\b{attribute}\b", "*", label)
    return None


def split_of(icons: list[Icon], things: list[Thing]) -> list[str]:
    """train, name, style, tone or attribute for each icon; only train is ever shown."""
    styles, families = {}, {}
    for icon, thing in zip(icons, things):
        styles.setdefault(icon.key, set()).add(icon.style)
        family = _attribute_family(thing.label)
        if family:
            families.setdefault(family[1], set()).add(family[0])
    splits = []
    for icon, thing in zip(icons, things):
        family = _attribute_family(thing.label)
        shown_in = sorted(styles[icon.key])
        hidden_style = shown_in[int(unit_hash("which:" + icon.key) * len(shown_in))]
        hidden_tone = TONES[int(unit_hash("tone:" + icon.key) * 50)] \
            if unit_hash("tone:" + icon.key) < 0.1 else None
        if unit_hash("name:" + icon.key) < 0.02:
            splits.append("name")
        elif family and len(families[family[1]]) >= 3 and unit_hash("attribute:" + icon.key) < 0.08:
            splits.append("attribute")
        elif hidden_tone in icon.tones:
            splits.append("tone")
        elif len(shown_in) >= 3 and icon.style == hidden_style and \
                unit_hash("style:" + icon.key) < 0.12:
            splits.append("style")
        else:
            splits.append("train")
    return splits


def write_splits(data_dir: Path) -> None:
    icons, things = load_things(data_dir)
    for split in ("name", "style", "tone", "attribute"):
        rows = [f"{i.index}\t{i.style}\t{i.name}\t{t.label}\n" for i, t, s in
                zip(icons, things, split_of(icons, things)) if s == split]
        (data_dir / f"held_out_{split}.tsv").write_text("".join(rows))
        print(f"held out by {split}: {len(rows)} pictures")


if __name__ == "__main__":
    import sys
    write_splits(Path(sys.argv[1]))
