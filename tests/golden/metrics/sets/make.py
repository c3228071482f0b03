"""Fréchet distance, KID and Inception Score of pytorch-fid, clean-fid, torch-fidelity and torchmetrics on formula features.

Features: float32 max(0, 4 u(seed, k + 1) - 1), then row i is multiplied by (1 + i mod 3); "a" seed 11, 300 x 96; "b" seed 12,
260 x 96; "few" the first 40 rows of b. Logits: float32 6 u(13, k + 1), 125 x 50.
Tensors f64: fid.<pair>.<tool> [1]; kid.<tool> [mean, deviation] over 20 subsets of 100; isc [mean, deviation], isc.plain without
the shuffle; choice i64 [10], choice.second: two draws of RandomState(2020).choice(30, 10); randperm i64 [10].
"""
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from networks import import_torchvision, uniform, write  # noqa: E402

warnings.simplefilter("ignore")
torchvision, keep = import_torchvision()
import torch_fidelity  # noqa: E402
import torchmetrics  # noqa: E402
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric  # noqa: E402
from torch_fidelity.metric_isc import isc_features_to_metric  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402
from torchmetrics.image.kid import KernelInceptionDistance  # noqa: E402


def features(seed, rows):
    x = np.maximum(0, 4 * uniform(seed, rows * 96) - 1).reshape(rows, 96) * (1 + np.arange(rows)[:, None] % 3)
    return x.astype(np.float32)


def schur_distance(a, b):
    """pytorch-fid's and clean-fid's formula; both call a form of scipy's sqrtm that newer releases lack."""
    root = scipy.linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)).real
    mean = a.mean(0) - b.mean(0)
    return mean @ mean + np.trace(np.cov(a, rowvar=False)) + np.trace(np.cov(b, rowvar=False)) - 2 * np.trace(root)


class Precomputed(torch.nn.Module):
    num_features = 96

    def forward(self, x):
        return x


def torchmetrics_kid(a, b):
    metric = KernelInceptionDistance(feature=Precomputed(), subsets=20, subset_size=100)
    metric.real_features, metric.fake_features = [torch.from_numpy(a)], [torch.from_numpy(b)]
    torch.manual_seed(7)
    return [float(v) for v in metric.compute()]


def main():
    a, b = features(11, 300).astype(np.float64), features(12, 260).astype(np.float64)
    t = {}
    for name, (x, y) in {"ab": (a, b), "few": (a, b[:40])}.items():
        t[f"fid.{name}.schur"] = np.array([schur_distance(x, y)])
        stats = [fid_features_to_statistics(torch.from_numpy(v)) for v in (x, y)]
        t[f"fid.{name}.torch-fidelity"] = np.array([fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]])
    kid = kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), kid_subsets=20, kid_subset_size=100, verbose=False)
    t["kid.torch-fidelity"] = np.array([kid["kernel_inception_distance_mean"], kid["kernel_inception_distance_std"]])
    t["kid.torchmetrics"] = np.array(torchmetrics_kid(a, b))
    logits = torch.from_numpy((6 * uniform(13, 125 * 50)).astype(np.float32).reshape(125, 50))
    for name, shuffle in {"isc": True, "isc.plain": False}.items():
        score = isc_features_to_metric(logits, shuffle=shuffle)
        t[name] = np.array([score["inception_score_mean"], score["inception_score_std"]])
    random = np.random.RandomState(2020)
    t["choice"], t["choice.second"] = (random.choice(30, 10, replace=False) for _ in range(2))
    t["randperm"] = torch.randperm(10, generator=torch.Generator().manual_seed(0)).numpy()
    for k, v in t.items():
        print(k, v)
    write(__file__, t, scipy, torchmetrics, torch_fidelity)


main()
