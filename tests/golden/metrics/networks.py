"""What the cases of metric networks share: weights and pictures by formula, real photographs, torchvision.

fill(name, shape): v[k] = u(FNV1a64(name), k + 1) of tests/golden/fill.py, then by the first rule that fits, rounded once:
    running_mean, bn.bias    0.2 (v - 0.5)
    running_var              0.5 + v
    bn.weight                0.75 + 0.5 v
    bias                     0.1 (v - 0.5)
    four dimensions          (2 v - 1) sqrt(6 / product of shape[1:])
    two dimensions           (2 v - 1) sqrt(3 / shape[1])
    the rest                 0.75 + 0.5 v
The C++ twin is src/models/filled_weights_test.h; pictures: src/image/noise_test.h.

torchvision, lpips, torchmetrics, pytorch-fid, clean-fid and torch-fidelity are not among the usual packages:
pip install --no-deps --target DIR torchvision==0.28.0 lpips==0.1.4 torchmetrics==1.9.0 lightning-utilities tqdm
pytorch-fid==0.3.0 clean-fid==0.1.35 torch-fidelity==0.4.0, then run with PYTHONPATH=DIR.
"""
import hashlib
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from fill import fnv1a64, uniform  # noqa: E402
from record import save_tensors  # noqa: E402


def import_torchvision():
    """The compiled operators (nms, ...) of a wheel for other processors do not load and are not needed: they are declared only."""
    folder = Path(importlib.util.find_spec("torchvision").origin).parent
    text = (folder / "_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)"', text))):
        library.define(name + "(Tensor x) -> Tensor")
    import torchvision
    return torchvision, library


def fill(name, shape):
    v = uniform(fnv1a64(name), int(np.prod(shape, dtype=np.int64)))
    if name.endswith(("running_mean", "bn.bias")):
        v = 0.2 * (v - 0.5)
    elif name.endswith("running_var"):
        v = 0.5 + v
    elif name.endswith("bn.weight"):
        v = 0.75 + 0.5 * v
    elif name.endswith("bias"):
        v = 0.1 * (v - 0.5)
    elif len(shape) == 4:
        v = (2 * v - 1) * np.sqrt(6 / np.prod(shape[1:], dtype=np.int64))
    elif len(shape) == 2:
        v = (2 * v - 1) * np.sqrt(3 / shape[1])
    else:
        v = 0.75 + 0.5 * v
    return v.astype(np.float32).reshape(shape)


def fill_state(module, rename=lambda name: name):
    """Fills parameters and buffers by the name that the published file gives them; `rename` may return None to leave one."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            published = rename(name)
            if published is not None and tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(fill(published, tuple(tensor.shape))))
    return module.eval().requires_grad_(False)


def noise(seed, height, width):
    return np.floor(256 * uniform(seed, height * width * 3)).astype(np.uint8).reshape(height, width, 3)


def smooth(seed, height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.floor(127.5 + 100 * np.sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + seed) + 0.5).astype(np.uint8)


def mixed(image, other, divisor):
    """image + other ÷ divisor − 128 ÷ divisor, clipped."""
    return np.clip(image.astype(int) + other // divisor - 128 // divisor, 0, 255).astype(np.uint8)


def photograph(name, top, left, height, width):
    """A piece of one of scikit-image's photographs: astronaut (NASA, public domain), chelsea (CC0)."""
    from skimage import data
    return np.ascontiguousarray(getattr(data, name)()[top:top + height, left:left + width])


def write(make_file, tensors, *modules):
    digest = lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
    about = {m.__name__: getattr(m, "__version__", "") for m in (torch, np, *modules)} | {"python": sys.version.split()[0]}
    about |= {"make_sha256": digest(make_file), "networks_sha256": digest(__file__), "fill_sha256": digest(HERE.parent / "fill.py")}
    folder = Path(make_file).resolve().parent
    save_tensors(tensors, folder / "data.safetensors", about)
    print(folder.name, (folder / "data.safetensors").stat().st_size, "bytes")
