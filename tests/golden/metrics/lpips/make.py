"""LPIPS of the lpips package and of torchmetrics, float64, on filled backbones and the published heads.

Tensors: picture.<name> u8 [H, W, 3]; <net>.<pair> f64 [1 + taps]: the distance and each tap's term by the lpips package;
<net>.<pair>.torchmetrics f64 [1]. Pairs of formula pictures: "noise", "smooth", "noisy" as in tests/golden/metrics/pairs;
"black": black against noise(7, 70, 75), where whole vectors may vanish; "photo": two photographs.
"""
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from networks import fill_state, import_torchvision, mixed, noise, photograph, smooth, write  # noqa: E402

warnings.simplefilter("ignore")
torchvision, keep = import_torchvision()
import lpips  # noqa: E402
import torchmetrics  # noqa: E402
from torchmetrics.functional.image.lpips import _NoTrainLpips  # noqa: E402


def published(name):
    """net.slice2.3.weight or net.slices.1.3.weight -> features.3.weight; the heads and the scaling stay as published."""
    return re.sub(r"^net\.slices?\.?\d+\.", "features.", name) if name.startswith("net.") else None


def main():
    photos = {"astronaut": photograph("astronaut", 40, 170, 98, 95), "chelsea": photograph("chelsea", 60, 100, 98, 95)}
    pairs = {"noise": (noise(42, 64, 64), noise(43, 64, 64)), "smooth": (smooth(0, 96, 80), smooth(1, 96, 80)),
             "noisy": (smooth(0, 96, 80), mixed(smooth(0, 96, 80), noise(44, 96, 80), 32)),
             "black": (np.zeros((70, 75, 3), np.uint8), noise(7, 70, 75)), "photo": tuple(photos.values())}
    tensors = {f"picture.{k}": v for k, v in photos.items()}
    as_tensor = lambda p: torch.from_numpy(p).permute(2, 0, 1)[None].double() / 127.5 - 1
    for net in ("alex", "vgg", "squeeze"):
        original = fill_state(lpips.LPIPS(net=net, pnet_rand=True, verbose=False), published).double()
        other = fill_state(_NoTrainLpips(net=net, pnet_rand=True), published).double()
        for name, (a, b) in pairs.items():
            total, taps = original(as_tensor(a), as_tensor(b), retPerLayer=True)
            tensors[f"{net}.{name}"] = np.array([float(total)] + [float(t) for t in taps])
            tensors[f"{net}.{name}.torchmetrics"] = np.array([float(other(as_tensor(a), as_tensor(b)))])
            print(net, name, tensors[f"{net}.{name}"], tensors[f"{net}.{name}.torchmetrics"])
    write(__file__, tensors, torchvision, torchmetrics)


main()
