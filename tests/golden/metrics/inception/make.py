"""Inception features of pytorch-fid, torch-fidelity, torchmetrics and clean-fid, float64, on filled weights.

Pictures: "astronaut" 120 x 100 and "chelsea" 90 x 140, photographs (picture.<name> u8 [H, W, 3]); "noise" noise(42, 48, 64);
"smooth" smooth(3, 330, 310), which is made smaller.
Tensors f32: <pipeline>.<picture> [2048]; tap.<name> of "noise" by pytorch-fid (64, 192, 768) and torch-fidelity (logits_unbiased,
logits). clean-fid's network is a TorchScript of the same weights, so its own resize is followed by (x - 128) / 128 and
torch-fidelity's layers.
"""
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from networks import fill, import_torchvision, noise, photograph, smooth, write  # noqa: E402

warnings.simplefilter("ignore")
torchvision, keep = import_torchvision()
import pytorch_fid.inception  # noqa: E402
import torch_fidelity.feature_extractor_inceptionv3 as fidelity  # noqa: E402
import torchmetrics  # noqa: E402
from cleanfid.resize import build_resizer  # noqa: E402
from torchmetrics.image.fid import NoTrainInceptionV3  # noqa: E402


def filled_state():
    """What the published file holds: the names and shapes of pytorch-fid's network."""
    i = pytorch_fid.inception
    network = i._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    network.Mixed_5b, network.Mixed_5c, network.Mixed_5d = (i.FIDInceptionA(n, p) for n, p in ((192, 32), (256, 64), (288, 64)))
    network.Mixed_6b, network.Mixed_6c, network.Mixed_6d, network.Mixed_6e = (i.FIDInceptionC(768, c) for c in (128, 160, 160, 192))
    network.Mixed_7b, network.Mixed_7c = i.FIDInceptionE_1(1280), i.FIDInceptionE_2(2048)
    return {k: torch.from_numpy(fill(k, tuple(v.shape))) if v.is_floating_point() else v for k, v in network.state_dict().items()}


def main():
    state = filled_state()
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: state
    original = pytorch_fid.inception.InceptionV3([0, 1, 2, 3]).eval().double()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/weights.pth"
        torch.save(state, path)
        names = ["2048", "logits_unbiased", "logits"]
        other = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", names, path).eval()
        metrics = NoTrainInceptionV3("inception-v3-compat", ["2048"], path).eval()
    other.double(), metrics.double()
    metrics._dtype = other.feature_extractor_internal_dtype = torch.float64
    clean = build_resizer("clean")
    pictures = {"astronaut": photograph("astronaut", 20, 160, 120, 100), "chelsea": photograph("chelsea", 60, 100, 90, 140)}
    t = {f"picture.{k}": v for k, v in pictures.items()}
    pictures |= {"noise": noise(42, 48, 64), "smooth": smooth(3, 330, 310)}
    resize = fidelity.interpolate_bilinear_2d_like_tensorflow1x
    with torch.inference_mode():
        for name, picture in pictures.items():
            x = torch.from_numpy(picture).permute(2, 0, 1)[None]
            taps = original(x.double() / 255)
            t[f"pytorch-fid.{name}"] = taps[3]
            result = other(x)
            t[f"torch-fidelity.{name}"], t[f"torchmetrics.{name}"] = result[0], metrics(x)
            if name == "noise":
                t |= {"tap.64": taps[0].mean((2, 3)), "tap.192": taps[1].mean((2, 3)), "tap.768": taps[2].mean((2, 3)),
                      "tap.logits_unbiased": result[1], "tap.logits": result[2]}
            resized = torch.from_numpy(clean(picture)).permute(2, 0, 1)[None].double()
            fidelity.interpolate_bilinear_2d_like_tensorflow1x = lambda *_, **__: resized
            t[f"clean-fid.{name}"] = other(x)[0]
            fidelity.interpolate_bilinear_2d_like_tensorflow1x = resize
    t = {k: v if isinstance(v, np.ndarray) else v.reshape(-1).numpy().astype(np.float32) for k, v in t.items()}
    for k, v in t.items():
        print(k, v.shape, v.reshape(-1)[:4], v.sum(dtype=np.float64))
    write(__file__, t, torchvision, torchmetrics)


main()
