"""Pictures of the built-in model by diffusers, made on demand: its weights change with training. Wants torch, diffusers,
transformers, scipy and torchsde.

    make.py [--model models/emoji] [--out $NIBBLE_CACHE/goldens/emoji] [--samplers ddim,euler] [--size 256]

Writes pictures.safetensors: out.<run>.bytes [H, W, 3] uint8 and out.<run>.latents float32 NCHW for every sampler from
text, and from in.image (strength 0.6) as `<sampler>_from_image`. report.json holds what was run, the SHA-256 of the
model's weights and, for the runs of --compare, the PSNR and the largest byte difference that other arithmetic makes:
PyTorch without oneDNN, with one and two threads, and in float64.
"""
import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.numpy import save_file
from transformers import CLIPTextModel, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import install_noise, noise_image, run, to_bytes  # noqa: E402
from record import metadata  # noqa: E402

ROOT = Path(__file__).resolve().parents[4]
CACHE = Path(os.environ.get("NIBBLE_CACHE", Path.home() / ".cache" / "nibble"))
SAMPLERS = ("pndm", "ddim", "ddpm", "euler", "euler_a", "heun", "dpm2", "dpm2_a", "dpmpp_2m", "dpmpp_2m_sde",
            "dpmpp_sde", "unipc", "lms", "lcm", "tcd")
PROMPT, STEPS, GUIDANCE, SEED, STRENGTH = "a red apple, fluent 3d", 20, 5.0, 7, 0.6


def load(model):
    kinds = {"text_encoder": CLIPTextModel, "unet": UNet2DConditionModel, "vae": AutoencoderKL}
    parts = {name: kind.from_pretrained(model / name, torch_dtype=torch.float32).eval().requires_grad_(False)
             for name, kind in kinds.items()}
    return parts | {"tokenizer": CLIPTokenizer.from_pretrained(model / "tokenizer")}


def weights_digest(model):
    digest = hashlib.sha256()
    for path in sorted(model.glob("*/*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compare(a, b):
    """PSNR in dB and largest difference of two byte pictures."""
    gap = a.astype(np.float64) - b
    mean = np.mean(gap**2)
    return {"psnr": round(float(10 * np.log10(255**2 / mean)), 2) if mean else None, "largest": int(np.abs(gap).max())}


def cast(parts, dtype):
    for name in ("text_encoder", "unet", "vae"):
        parts[name].to(dtype)


def with_setting(setting, parts, produce):
    """`produce()` under another arithmetic of PyTorch; `parts` are left in float32."""
    threads = torch.get_num_threads()
    try:
        if setting.startswith("threads"):
            torch.set_num_threads(int(setting[-1]))
        cast(parts, torch.float64 if setting == "float64" else torch.float32)
        with torch.backends.mkldnn.flags(enabled=setting != "no_onednn"):
            return produce()
    finally:
        torch.set_num_threads(threads)
        cast(parts, torch.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "emoji")
    parser.add_argument("--out", type=Path, default=CACHE / "goldens" / "emoji")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--size", type=int, help="picture size, default the model's own")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--compare", default="ddim,euler_a,ddim_from_image", help="runs to repeat under --settings")
    parser.add_argument("--settings", default="no_onednn,threads_1,threads_2,float64")
    options = parser.parse_args()
    install_noise()
    parts = load(options.model)
    config = json.loads((options.model / "scheduler" / "scheduler_config.json").read_text())
    scale = 2 ** (len(parts["vae"].config.block_out_channels) - 1)
    size = options.size or parts["unet"].config.sample_size * scale
    image = noise_image(SEED, size, size)
    base = dict(steps=options.steps, seed=SEED, prompt=PROMPT, guidance=GUIDANCE, height=size, width=size)
    runs = {name: dict(sampler=name) for name in options.samplers.split(",")}
    runs |= {f"{name}_from_image": one | dict(image=image, strength=STRENGTH) for name, one in list(runs.items())}
    produce = lambda one: run(parts, config, **(base | one))
    tensors, report = {"in.image": image}, {}
    for name, one in runs.items():
        latents, decoded, _ = produce(one)
        tensors |= {f"out.{name}.bytes": to_bytes(decoded)[0], f"out.{name}.latents": latents.astype(np.float32)}
        report[name] = {}
        for setting in filter(None, options.settings.split(",") if name in options.compare.split(",") else ()):
            other = with_setting(setting, parts, lambda one=one: produce(one))
            report[name][setting] = compare(tensors[f"out.{name}.bytes"], to_bytes(other[1])[0])
        print(name, report[name], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    about = metadata(__file__) | {"weights_sha256": weights_digest(options.model)}
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, options.out / "pictures.safetensors", about)
    described = {"model": options.model.name, "weights_sha256": about["weights_sha256"], "strength": STRENGTH}
    (options.out / "report.json").write_text(json.dumps(described | base | {"runs": report}, indent=2) + "\n")
    print(options.out)


if __name__ == "__main__":
    main()
