"""Writes the model as a diffusers folder in bf16 from the averaged weights.

usage: export.py --home DIR --out FOLDER [--check]
Parts that have not been trained yet are written with their initial weights.
"""

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from checkpoint import load_if_present
from models import make_scheduler, make_text_encoder, make_unet, make_vae

NOTICE = """# Where this model comes from

A small Stable Diffusion trained from nothing for this project by the scripts in `training/builtin`.
It was trained on pictures of these emoji sets, with words from emojibase-data:

| set | npm package | copyright | licence |
|---|---|---|---|
| Noto Emoji | @iconify-json/noto 1.2.9 | Google Inc. | Apache-2.0 |
| Fluent Emoji, flat | @iconify-json/fluent-emoji-flat 1.2.6 | Microsoft Corporation | MIT |
| Fluent Emoji, 3D | @iconify-json/fluent-emoji 1.2.7 | Microsoft Corporation | MIT |
| Firefox OS Emoji | @iconify-json/fxemoji 1.2.2 | Mozilla | Apache-2.0 |
| Twemoji | @iconify-json/twemoji 1.2.5 | Twitter, Inc and other contributors | CC BY 4.0 |
| labels and tags | emojibase-data 17.0.0 | Miles Johnson | MIT |

Twemoji graphics: https://github.com/jdecked/twemoji, licensed under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/); they were drawn at 128x128 on white for training.

The weights are offered under the project's own licence.
"""


def load_vae(home: Path):
    vae = make_vae()
    frozen = load_if_present(home / "vae-frozen.pt")
    later = load_if_present(home / "vae-decoder.pt")
    unfinished = load_if_present(home / "vae.pt")
    if later or unfinished:
        vae.load_state_dict((later or unfinished)["ema"]["values"])
    if frozen and not later:
        vae.load_state_dict(frozen)
    return vae


def export(home: Path, out: Path) -> None:
    torch.manual_seed(0)
    unet, text = make_unet(), make_text_encoder()
    state = load_if_present(home / "unet.pt")
    if state:
        unet.load_state_dict(state["unet_ema"]["values"])
        text.load_state_dict(state["text_ema"]["values"])
    pipeline = StableDiffusionPipeline(
        vae=load_vae(home), text_encoder=text, unet=unet, scheduler=make_scheduler(),
        tokenizer=CLIPTokenizer.from_pretrained(home / "tokenizer"), safety_checker=None,
        feature_extractor=None, image_encoder=None, requires_safety_checker=False)
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    pipeline.to(torch.bfloat16).save_pretrained(temporary)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(home / "tokenizer" / name, temporary / "tokenizer" / name)
    (temporary / "tokenizer" / "tokenizer.json").unlink(missing_ok=True)
    (temporary / "NOTICE.md").write_text(NOTICE)
    if (out / "captions.tsv").exists():  # of captions_table.py
        shutil.copyfile(out / "captions.tsv", temporary / "captions.tsv")
    shutil.rmtree(out, ignore_errors=True)
    for file in temporary.rglob("*.safetensors"):
        file.chmod(0o644)
    temporary.rename(out)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in
              (("vae", pipeline.vae), ("unet", pipeline.unet), ("text_encoder", text))}
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(counts, f"total {sum(counts.values())}, {size / 1e6:.1f} MB")


def check(out: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(out, torch_dtype=torch.float32)
    picture = pipeline("a red apple, fluent 3d", num_inference_steps=20, guidance_scale=4.0,
                       height=128, width=128, generator=torch.Generator().manual_seed(0)).images[0]
    picture.save(out.with_name(out.name + "-check.png") if out.parent.name != "models"
                 else Path("/tmp") / "emoji-check.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    export(options.home, options.out)
    if options.check:
        check(options.out)
