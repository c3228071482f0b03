#!/usr/bin/env python3
"""Pictures per second of the metrics' networks, here and in PyTorch: metric_speed.py [--program ./nibble] [--rounds 3]

InceptionV3 (2015, FID's) and CLIP ViT-L/14's picture half, float32, the same random weights, the same batch, the same number of
threads, in turns within one run, so that both meet the same machine. PyTorch runs the networks as pytorch-fid and transformers
run them: eager, convolutions and batch norms apart, inputs ready. Nibble's time includes normalising the decoded pictures. The
best round of each counts. Needs torch, transformers and safetensors in the Python that runs it; the weights (2 GB) are made
in $NIBBLE_CACHE/random/metrics at the first run.
"""
import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("NIBBLE_CACHE", Path.home() / ".cache" / "nibble")) / "random" / "metrics"


class Conv(nn.Module):
    def __init__(self, inputs, outputs, kernel, **options):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


WIDE7, HIGH7 = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
WIDE3, HIGH3 = {"kernel": (1, 3), "padding": (0, 1)}, {"kernel": (3, 1), "padding": (1, 0)}
SAME3, SAME5 = {"kernel": 3, "padding": 1}, {"kernel": 5, "padding": 2}
HALVE3, POINT = {"kernel": 3, "stride": 2}, {"kernel": 1}


class Block(nn.Module):
    """Branches of (name, outputs, options); a branch may end in several convolutions side by side, given as a list."""

    def __init__(self, inputs, branches, pool, projected=0):
        super().__init__()
        self.branches, self.pool, self.projected, self.outputs = [], pool, projected, 0
        for branch in branches:
            width, names = inputs, []
            for step in branch:
                ends = step if isinstance(step, list) else [step]
                for name, outputs, options in ends:
                    options = dict(options)
                    setattr(self, name, Conv(width, outputs, options.pop("kernel"), **options))
                names.append([name for name, _, _ in ends])
                width_out = sum(outputs for _, outputs, _ in ends)
                width = ends[0][1]
            self.branches.append(names)
            self.outputs += width_out
        if projected:
            self.branch_pool = Conv(inputs, projected, 1)
        self.outputs += projected or inputs

    def forward(self, x):
        parts = []
        for names in self.branches:
            h = x
            for step in names[:-1]:
                h = getattr(self, step[0])(h)
            parts += [getattr(self, name)(h) for name in names[-1]]
        if self.pool == "average":
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        else:
            pooled = F.max_pool2d(x, 3, 1, 1) if self.pool == "maximum" else F.max_pool2d(x, 3, 2)
        parts.append(self.branch_pool(pooled) if self.projected else pooled)
        return torch.cat(parts, 1)


def type_a(inputs, pooled):
    return Block(inputs, [[("branch1x1", 64, POINT)], [("branch5x5_1", 48, POINT), ("branch5x5_2", 64, SAME5)],
                          [("branch3x3dbl_1", 64, POINT), ("branch3x3dbl_2", 96, SAME3), ("branch3x3dbl_3", 96, SAME3)]],
                 "average", pooled)


def type_c(inputs, c):
    return Block(inputs, [[("branch1x1", 192, POINT)],
                          [("branch7x7_1", c, POINT), ("branch7x7_2", c, WIDE7), ("branch7x7_3", 192, HIGH7)],
                          [("branch7x7dbl_1", c, POINT), ("branch7x7dbl_2", c, HIGH7), ("branch7x7dbl_3", c, WIDE7),
                           ("branch7x7dbl_4", c, HIGH7), ("branch7x7dbl_5", 192, WIDE7)]], "average", 192)


def type_e(inputs, pool):
    return Block(inputs, [[("branch1x1", 320, POINT)],
                          [("branch3x3_1", 384, POINT), [("branch3x3_2a", 384, WIDE3), ("branch3x3_2b", 384, HIGH3)]],
                          [("branch3x3dbl_1", 448, POINT), ("branch3x3dbl_2", 384, SAME3),
                           [("branch3x3dbl_3a", 384, WIDE3), ("branch3x3dbl_3b", 384, HIGH3)]]], pool, 192)


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Conv(3, 32, 3, stride=2), Conv(32, 32, 3)
        self.Conv2d_2b_3x3, self.Conv2d_3b_1x1 = Conv(32, 64, 3, padding=1), Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = type_a(192, 32), type_a(256, 64), type_a(288, 64)
        self.Mixed_6a = Block(288, [[("branch3x3", 384, HALVE3)],
                                    [("branch3x3dbl_1", 64, POINT), ("branch3x3dbl_2", 96, SAME3),
                                     ("branch3x3dbl_3", 96, HALVE3)]], "halve")
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (type_c(768, c) for c in (128, 160, 160, 192))
        self.Mixed_7a = Block(768, [[("branch3x3_1", 192, POINT), ("branch3x3_2", 320, HALVE3)],
                                    [("branch7x7x3_1", 192, POINT), ("branch7x7x3_2", 192, WIDE7),
                                     ("branch7x7x3_3", 192, HIGH7), ("branch7x7x3_4", 192, HALVE3)]], "halve")
        self.Mixed_7b, self.Mixed_7c = type_e(1280, "average"), type_e(2048, "maximum")
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, "Mixed_" + name)(x)
        return x.mean((2, 3))


def make_clip():
    from transformers import CLIPConfig, CLIPModel

    vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
              "patch_size": 14, "projection_dim": 768}
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
            "projection_dim": 768}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=768))


def ready_weights(name, make, file, program, environment):
    """The network, its weights added to `nibble weights` of the environment."""
    torch.manual_seed(0)
    network = make().eval()
    path = CACHE / file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {key: value.contiguous() for key, value in network.state_dict().items() if "num_batches" not in key}
        save_file(state, path)
        subprocess.run([program, "weights", "add", name, path, "--unverified", "--link"], check=True, env=environment)
    return network


def torch_seconds(forward, x):
    with torch.inference_mode():
        forward(x)
        start = time.perf_counter()
        forward(x)
        return time.perf_counter() - start


def nibble_seconds(program, name, batch, threads, environment):
    command = [program, "weights", "time", name, "--batch", str(batch), "--runs", "1", "--threads", str(threads), "--json"]
    return json.loads(subprocess.run(command, check=True, env=environment, capture_output=True).stdout)["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "nibble"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", choices=["inception-fid", "clip-vit-l-14"], action="append")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    environment = os.environ | {"NIBBLE_CACHE": str(CACHE)}
    rows = {"inception-fid": (Inception, "inception.safetensors", 299, 0.8), "clip-vit-l-14": (make_clip, "clip.safetensors", 224, 1.0)}
    for name in args.network or rows:
        make, file, side, wanted = rows[name]
        network = ready_weights(name, make, file, args.program, environment)
        forward = network if name == "inception-fid" else lambda x: network.get_image_features(pixel_values=x)
        x = torch.randn(args.batch, 3, side, side)
        ours, theirs = [], []
        for _ in range(args.rounds):
            theirs.append(torch_seconds(forward, x))
            ours.append(nibble_seconds(args.program, name, args.batch, args.threads, environment))
        a, b = args.batch / min(ours), args.batch / min(theirs)
        print(f"{name}, float32, {args.batch} at once, {args.threads} threads: nibble {a:.2f} pictures/s, torch {torch.__version__} "
              f"{b:.2f}: {a / b:.2f} x (wanted {wanted})", flush=True)


main()
