#!/usr/bin/env python3
"""UNet against VAE in one measured table: unet_vae_table.py [--program ./nibble] [--write] [MODEL[:SIZE] …]

Parameters are counted in the model's files; operations, buffers and activations come from `nibble estimate --json`, seconds from
`nibble bench --json`, best of --runs on all threads. Shares are of a picture with guidance at the model's usual steps: time of
the UNet and of the decoder together, memory of the larger stage. --write replaces the rows of these models in docs/how-it-works.md. Models
are diffusers folders or built-in names; default: the built-in model and a full-size SD 1.5 with random weights, if
tools/make_random_model.py has made one.
"""

import argparse
import json
import math
import os
import pathlib
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("NIBBLE_CACHE", pathlib.Path.home() / ".cache" / "nibble"))
PAGE = ROOT / "docs" / "how-it-works.md"
BEGIN, END = "<!-- tools/unet_vae_table.py --write -->\n", "<!-- end -->\n"
RANDOM_SD15 = CACHE / "random" / "sd15" / "diffusers"


def parameters(model, part, prefixes=("",)):
    count = 0
    for path in sorted((model / part).glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        count += sum(math.prod(entry["shape"]) for name, entry in header.items()
                     if name != "__metadata__" and name.startswith(tuple(prefixes)))
    return count


def nibble(program, *arguments):
    return json.loads(subprocess.run([str(a) for a in (program, *arguments, "--json")], check=True, capture_output=True).stdout)


def rows(program, model, size, runs):
    """One line a network, from one pass without guidance."""
    at = ["--size", size] if size else []
    whole = nibble(program, "estimate", model, *at)
    stages = {stage["name"]: stage for stage in nibble(program, "estimate", model, *at, "--guidance", 1)["stages"]}
    passes = next(stage["passes"] for stage in whole["stages"] if stage["name"] == "denoise") * (1 + whole["batched"])
    timed = {row["name"]: row["seconds"] for row in nibble(program, "bench", "--model", model, *at, "--runs", runs)["models"][0]["passes"]}
    folder = ROOT / "models" / model if (ROOT / "models" / model).is_dir() else pathlib.Path(model)
    title = "built-in" if folder.parent == ROOT / "models" else folder.parent.name
    memory = {s["name"]: s["weight_bytes"] + s["arena_bytes"] + s["other_bytes"] for s in whole["stages"]}
    parts = [("UNet", "denoise", "unet", passes, parameters(folder, "unet")),
             ("VAE decoder", "decode", "decode", 1, parameters(folder, "vae", ("decoder.", "post_quant_conv.")))]
    seconds = {stage: timed[bench] * count for _, stage, bench, count, _ in parts}
    for name, stage, bench, count, size_of in parts:
        s = stages[stage]
        touched = sum(op["activation_bytes"] for op in s["by_op"].values())
        yield (f"| {title}, {whole['width']}² | {name} | {size_of / 1e6:.1f} M | {s['weight_bytes'] / 1e6:.1f} MB "
               f"| {s['operations_per_pass'] / 1e9:.1f} G | {s['arena_bytes'] / 1e6:.1f} MB | {touched / 1e6:.0f} MB "
               f"| {timed[bench]:.3f} s × {count:.0f} | {100 * seconds[stage] / sum(seconds.values()):.0f} % "
               f"| {memory[stage] / 1e6:.0f} MB |\n")


def merged(old, new):
    """The old rows with those of the same model replaced by the new ones; rows of other models stay."""
    model = lambda row: row.split("|")[1]
    fresh = {model(row) for row in new}
    kept = [row for row in old if model(row) not in fresh]
    return [*new, *kept] if old and model(old[0]) in fresh else [*kept, *new]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["emoji", *([f"{RANDOM_SD15}:512"] if RANDOM_SD15.is_dir() else [])])
    parser.add_argument("--program", default=ROOT / "nibble")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    head = ("| model | part | parameters | weights | operations a pass | buffers | activations read and written | time "
            "| share of time | memory of the stage |\n|---|---|---|---|---|---|---|---|---|---|\n")
    measured = []
    for model in options.models:
        name, _, size = model.partition(":")
        measured += "".join(rows(options.program, name, size, options.runs)).splitlines(keepends=True)
    print(head + "".join(measured), end="")
    if options.write:
        text = PAGE.read_text()
        before, rest = text.split(BEGIN)
        table, after = rest.split(END, 1)
        lines = merged(table.splitlines(keepends=True)[2:], measured)
        PAGE.write_text(before + BEGIN + head + "".join(lines) + END + after)


if __name__ == "__main__":
    main()
