"""TAEF2, the tiny autoencoder of FLUX.2, with its published weights, on a crop of scikit-image's astronaut."""
import hashlib
import os
import sys
from pathlib import Path

import torch
from skimage import data
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from record import write_case  # noqa: E402

ROOT = Path(__file__).resolve().parents[4]
WEIGHTS = Path(os.environ.get("NIBBLE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "taef2"
WIDTH, LATENT, POOL_WIDTH, POOL_GROUPS, MAGNITUDE = 64, 32, 256, 4, 3.0


def conv3(inside, outside, stride=1, bias=True):
    return nn.Conv2d(inside, outside, 3, stride, padding=1, bias=bias)


class Squash(nn.Module):
    """Keeps latents within +-3 smoothly."""

    def forward(self, x):
        return MAGNITUDE * torch.tanh(x / MAGNITUDE)


class Block(nn.Module):
    """x <- x + pool(x) where there is a pool branch; then relu(x + three convolutions)."""

    def __init__(self, pool=False):
        super().__init__()
        self.conv = nn.Sequential(conv3(WIDTH, WIDTH), nn.ReLU(), conv3(WIDTH, WIDTH), nn.ReLU(), conv3(WIDTH, WIDTH))
        self.pool = None
        if pool:
            self.pool = nn.Sequential(nn.Conv2d(WIDTH, POOL_WIDTH, 1, bias=False),
                                      nn.GroupNorm(POOL_GROUPS, POOL_WIDTH), nn.ReLU(),
                                      nn.Conv2d(POOL_WIDTH, WIDTH, 1, bias=False))

    def forward(self, x):
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


def down(pool=False):
    return [conv3(WIDTH, WIDTH, stride=2, bias=False)] + [Block(pool) for _ in range(3)]


def up(blocks):
    return [nn.Upsample(scale_factor=2), conv3(WIDTH, WIDTH, bias=False)] + [Block() for _ in range(blocks)]


class Taef2(nn.Module):
    """Pixels in [0, 1] <-> 32 latent channels at an eighth of the size."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(conv3(3, WIDTH), Block(), *down(), *down(), *down(pool=True),
                                     conv3(WIDTH, LATENT))
        self.decoder = nn.Sequential(Squash(), conv3(LATENT, WIDTH), nn.ReLU(), *[Block(True) for _ in range(3)],
                                     *up(3), *up(3), *up(1), conv3(WIDTH, 3))


def forward(model, inputs):
    return {"encoded": model.encoder(inputs["image"]), "decoded": model.decoder(inputs["latents"])}


def load():
    model = Taef2()
    for half in ("encoder", "decoder"):
        getattr(model, half).load_state_dict(torch.load(WEIGHTS / f"taef2_{half}.pth", weights_only=True))
    return model.eval().requires_grad_(False)


def main():
    model = load()
    crop = torch.from_numpy(data.astronaut()[96:160, 192:256].copy())
    image = crop.permute(2, 0, 1)[None] / 255.0
    with torch.inference_mode():
        latents = model.encoder(image)
    files = {f"taef2_{half}.pth": hashlib.sha256((WEIGHTS / f"taef2_{half}.pth").read_bytes()).hexdigest()
             for half in ("encoder", "decoder")}
    write_case(__file__, model=model, forward=forward, inputs={"image": image, "latents": latents},
               config={"latent_channels": LATENT, "latent_magnitude": 3, "latent_shift": 0.5}, weights=files,
               about="TAEF2, the tiny autoencoder of FLUX.2, published weights, a 64 x 64 crop of the astronaut "
                     "(rows 96-159, columns 192-255)",
               notes={"image": "pixels in [0, 1], NCHW", "latents": "the encoder's own output rounded to float32",
                      "encoded": "encoder output, NCHW", "decoded": "pixels in [0, 1], not clamped, NCHW"},
               pattern=r"(encoder|decoder)\.\d+(\.pool)?")


if __name__ == "__main__":
    main()
