"""Latents of photographs, to judge quantized decoders of TAEF2 on: the encoder's output with its published weights.

    astronaut_{top,bottom}.safetensors   latent [32, 32, 64] float16: the two halves of scikit-image's astronaut, 512 x 512
                                         (NASA, public domain)
    calibration.safetensors              chelsea, coffee [32, 36, 56] float16: 288 x 448 pixels of each (CC0)

Metadata `reference` is the PSNR in dB, over bytes, of the astronaut decoded with weights rounded to 4 bits (largest
magnitude / 7, first and last convolution kept) against the float32 decoder: groups of 64 along flattened inputs and kernel,
and groups of 64 inputs at each kernel position.
"""
import importlib.util
import sys
from pathlib import Path

import torch
from skimage import data

GOLDEN = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(GOLDEN))
from record import metadata, save_tensors  # noqa: E402

GROUP, LARGEST_CODE = 64, 7


def taef2():
    spec = importlib.util.spec_from_file_location("taef2", GOLDEN / "vae" / "taef2" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def pixels(picture, height, width):
    return torch.from_numpy(picture[:height, :width].copy()).permute(2, 0, 1)[None] / 255.0


def to_bytes(picture):
    return (picture.clamp(0, 1) * 255).round()


def rounded(weight):
    groups = weight.reshape(weight.shape[0], -1, GROUP)
    step = groups.abs().amax(-1, keepdim=True) / LARGEST_CODE
    return ((groups / step).round() * step).reshape(weight.shape)


def psnr_of_rounding(decoder, latent, reference, per_position):
    convolutions = [m for m in decoder.modules() if isinstance(m, torch.nn.Conv2d)][1:-1]
    kept = [c.weight.data for c in convolutions]
    for c in convolutions:
        w = c.weight.data
        c.weight.data = rounded(w.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if per_position else rounded(w)
    mse = (to_bytes(decoder(latent)) - to_bytes(reference)).pow(2).mean().item()
    for c, w in zip(convolutions, kept):
        c.weight.data = w
    return 10 * torch.log10(torch.tensor(255.0**2 / mse)).item()


def write(name, tensors, about):
    tensors = {key: value[0].half().numpy() for key, value in tensors.items()}
    save_tensors(tensors, Path(__file__).with_name(f"{name}.safetensors"), metadata(__file__) | about)


def main():
    model = taef2()
    with torch.inference_mode():
        astronaut, chelsea, coffee = (model.encoder(pixels(getattr(data, name)(), *size)) for name, size in
                                      (("astronaut", (512, 512)), ("chelsea", (288, 448)), ("coffee", (288, 448))))
        stored = astronaut.half().float()
        reference = model.decoder(stored)
        figures = {key: f"{psnr_of_rounding(model.decoder, stored, reference, per):.4f}"
                   for key, per in (("reference_flattened", False), ("reference_per_position", True))}
    write("astronaut_top", {"latent": astronaut[:, :, :32]}, figures)
    write("astronaut_bottom", {"latent": astronaut[:, :, 32:]}, {})
    write("calibration", {"chelsea": chelsea, "coffee": coffee}, {})
    print(figures)


if __name__ == "__main__":
    main()
