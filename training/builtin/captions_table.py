"""Writes the built-in model's captions as one table, for `nibble dataset --dataset emoji` and `nibble evaluate`.

usage: captions_table.py --home DIR --out models/emoji/captions.tsv [--pictures FOLDER]
Columns: name (style and icon), style, group, split (train, or what the row is held out by: name, style, tone, attribute),
caption (the plainest wording, "a red apple, fluent 3d") and up to three tags. --pictures also writes FOLDER/NAME.png, 128x128.
"""

import argparse
from pathlib import Path

from captions import load_things, split_of
from dataset import load_pictures


def words_of(thing) -> str:
    label = thing.label
    if thing.tones:
        label += " with " + " and ".join(dict.fromkeys(tone + " skin tone" for tone in thing.tones))
    return ("an " if label[0] in "aeiou" else "a ") + label


def rows_of(home: Path):
    icons, things = load_things(home / "data")
    for icon, thing, split in zip(icons, things, split_of(icons, things)):
        yield icon, (f"{icon.style.replace(' ', '-')}-{icon.name}", thing.style, thing.group, split,
                     f"{words_of(thing)}, {thing.style}", ", ".join(thing.tags[:3]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    rows = list(rows_of(options.home))
    lines = ["\t".join(("name", "style", "group", "split", "caption", "tags"))]
    lines += ["\t".join(" ".join(cell.split()) for cell in row) for _, row in rows]
    assert len({row[0] for _, row in rows}) == len(rows), "two pictures have one name"
    partial = options.out.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n")
    partial.replace(options.out)
    if options.pictures:
        from PIL import Image
        options.pictures.mkdir(parents=True, exist_ok=True)
        pixels = load_pictures(options.home / "data")
        for icon, row in rows:
            Image.fromarray(pixels[icon.index]).save(options.pictures / f"{row[0]}.png")
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
