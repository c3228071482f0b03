"""Makes checkpoints in a working folder from a finished model, so that training goes on from its weights where
the old working folder is gone: the frozen autoencoder and tokenizer, the UNet with its text encoder. Optimizers
start anew.

usage: restore.py --home DIR [--model models/emoji]
"""

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file

from checkpoint import save_atomically


def weights(folder: Path) -> dict:
    (file,) = folder.glob("*.safetensors")
    return {name: value.float() for name, value in load_file(file).items()}


def restore(model: Path, home: Path) -> None:
    for file in ("vae-frozen.pt", "unet.pt"):
        if (home / file).exists():
            raise SystemExit(f"{home / file} is there already: want a working folder without checkpoints")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model / "tokenizer", home / "tokenizer", dirs_exist_ok=True)
    save_atomically(weights(model / "vae"), home / "vae-frozen.pt")
    unet, text = weights(model / "unet"), weights(model / "text_encoder")
    save_atomically({"unet": unet, "text": text, "unet_ema": {"steps": 1000, "values": unet},
                     "text_ema": {"steps": 1000, "values": text}, "step": 0, "samples": 0,
                     "seconds": 0.0}, home / "unet.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[2] / "models" / "emoji")
    options = parser.parse_args()
    restore(options.model, options.home)
