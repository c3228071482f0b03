#!/usr/bin/env python3
"""Quantized files drawn by every Arm instruction set: check_arm_file.py --native PROGRAM --foreign PROGRAM [--model emoji]

The native program quantizes the model (rtn, which needs no calibration) in each precision and draws a picture with scalar kernels;
the program built for 64-bit Arm draws it under qemu-user with scalar, NEON, dotprod and i8mm kernels. Integer products are equal
bit for bit, but floats round in another order, a rounding moves a code by one, and over the layers two quantized pictures end up
as far from each other as from the unquantized one. So each is held against that: its PSNR may be 3 dB below the scalar picture's.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MOST_LOST = 3  # dB
SETS = ["scalar", "neon", "dotprod", "i8mm"]
DRAW = ["generate", "a red apple, fluent 3d", "--seed", "1", "--steps", "8", "--quiet"]


def run(command, cpu):
    done = subprocess.run([str(c) for c in command], env=os.environ | {"NIBBLE_CPU": cpu}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} with NIBBLE_CPU={cpu}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def psnr(native, a, b):
    value = json.loads(run([native, "compare", a, b, "--metrics", "psnr", "--json"], "scalar"))["mean"]["psnr"]
    return float("inf") if value is None else value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--native", type=Path, required=True)
    parser.add_argument("--foreign", type=Path, required=True)
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--precisions", default="w8a8,w4a8,w4a4,w4a16")
    o = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.png")
        run([o.native, *DRAW, "--model", o.model, "--out", whole], "scalar")
        for precision in o.precisions.split(","):
            file, here = Path(folder, f"{precision}.safetensors"), Path(folder, f"{precision}.png")
            run([o.native, "quantize", "--model", o.model, "--method", "rtn", "--precision", precision, "--out", file, "--quiet"], "scalar")
            run([o.native, *DRAW, "--model", file, "--out", here], "scalar")
            wanted = psnr(o.native, whole, here)
            print(f"{precision:6} here     {wanted:5.1f} dB from the unquantized picture", flush=True)
            for cpu in SETS:
                there = Path(folder, f"{precision}-{cpu}.png")
                run(["qemu-aarch64", "-cpu", "max", o.foreign, *DRAW, "--model", file, "--out", there], cpu)
                found = psnr(o.native, whole, there)
                good = found >= wanted - MOST_LOST
                failed |= not good
                print(f"{precision:6} {cpu:8} {found:5.1f} dB, {psnr(o.native, here, there):.1f} dB from the one drawn here"
                      f"{'' if good else ': too far'}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
