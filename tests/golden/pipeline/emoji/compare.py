"""The built-in model drawn by `nibble generate` beside diffusers, every sampler, from text and from a picture.

    compare.py [--program ./nibble] [--model models/emoji] [--work $NIBBLE_CACHE/goldens/emoji] [--samplers ddim,euler]

diffusers' pictures come from make.py beside this file and are made again when the model's weights have changed. Prints a
table of the largest difference of a byte and of the PSNR. A run passes when no byte differs by more than 1, or by more than
twice what two settings of PyTorch differ by (they are then tried). Ends with status 1 when a run does not. DPM++ SDE gets
the same noise on both sides (BrownianPool of tests/golden/samplers/reference.py).
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

import make

SETTINGS = "no_onednn,threads_1"


def reference(model, work, samplers):
    """make.py's pictures and report, of these weights and samplers at least."""
    report = work / "report.json"
    known = json.loads(report.read_text()) if report.exists() else {}
    if known.get("weights_sha256") != make.weights_digest(model) or not set(samplers) <= set(known["runs"]):
        subprocess.run([sys.executable, make.__file__, "--model", model, "--out", work, "--samplers", ",".join(samplers),
                        "--compare", ""], check=True)
    return load_file(work / "pictures.safetensors"), json.loads(report.read_text())


def draw(program, model, report, name, folder):
    sampler = name.removesuffix("_from_image")
    out = folder / f"{name}.png"
    command = [program, "generate", report["prompt"], "--model", model, "--prompt-syntax", "plain", "--sampler", sampler,
               "--steps", report["steps"], "--guidance", report["guidance"], "--seed", report["seed"], "--eta", 0,
               "--width", report["width"], "--height", report["height"], "--out", out, "--quiet"]
    if name != sampler:
        command += ["--init", folder / "init.png", "--strength", report["strength"]]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return np.asarray(Image.open(out).convert("RGB"))


def pytorch_gap(model, name):
    """The largest difference of a byte between PyTorch's settings in this run."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, make.__file__, "--model", model, "--out", folder, "--samplers",
                        name.removesuffix("_from_image"), "--compare", name, "--settings", SETTINGS], check=True,
                       stdout=subprocess.DEVNULL)
        settings = json.loads((Path(folder) / "report.json").read_text())["runs"][name]
    return max(gap["largest"] for gap in settings.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=make.ROOT / "nibble")
    parser.add_argument("--model", type=Path, default=make.ROOT / "models" / "emoji")
    parser.add_argument("--work", type=Path, default=make.CACHE / "goldens" / "emoji")
    parser.add_argument("--samplers", default=",".join(make.SAMPLERS))
    options = parser.parse_args()
    samplers = options.samplers.split(",")
    pictures, report = reference(options.model, options.work, samplers)
    failed = 0
    print("| run | largest | PSNR | allowed |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(pictures["in.image"]).save(Path(folder) / "init.png")
        for name in [*samplers, *(f"{sampler}_from_image" for sampler in samplers)]:
            gap = make.compare(draw(options.program, options.model, report, name, Path(folder)), pictures[f"out.{name}.bytes"])
            allowed = 1 if gap["largest"] <= 1 else max(1, 2 * pytorch_gap(options.model, name))
            failed += gap["largest"] > allowed
            psnr = "equal" if gap["psnr"] is None else f"{gap['psnr']:.1f} dB"
            print(f"| {name} | {gap['largest']} | {psnr} | {allowed} |", flush=True)
    print(f"{failed} of {2 * len(samplers)} runs differ by more")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
