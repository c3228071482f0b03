"""Draws a sheet of prompts with an exported model, six pictures a row.

usage: sheet.py --model FOLDER --out sheet.png [--prompts FILE] [--guidance 4] [--steps 30]
"""

import argparse
import os
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

COLUMNS = 6
ENLARGED = 2
GAP = 4


def read_prompts(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def draw(model: Path, prompts: list[str], guidance: float, steps: int, seed: int) -> list:
    pipeline = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pictures = []
    for start in range(0, len(prompts), COLUMNS):
        row = prompts[start : start + COLUMNS]
        seeds = [torch.Generator().manual_seed(seed + start + i) for i in range(len(row))]
        pictures += pipeline(row, guidance_scale=guidance, num_inference_steps=steps,
                             generator=seeds).images
    return pictures


def tile(pictures: list) -> Image.Image:
    size = ENLARGED * pictures[0].width
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (size + GAP) + GAP, rows * (size + GAP) + GAP), "silver")
    for i, picture in enumerate(pictures):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
        sheet.paste(picture, (GAP + i % COLUMNS * (size + GAP), GAP + i // COLUMNS * (size + GAP)))
    return sheet


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompts", type=Path,
                        default=Path(__file__).with_name("sheet_prompts.txt"))
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    sheet = tile(draw(o.model, read_prompts(o.prompts), o.guidance, o.steps, o.seed))
    temporary = o.out.with_name(o.out.name + ".tmp.png")
    sheet.save(temporary)
    os.replace(temporary, o.out)
