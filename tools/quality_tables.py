#!/usr/bin/env python3
"""The table of methods in docs/quantize.md and that of sensitive parts in docs/how-it-works.md: quality_tables.py [--program ./nibble] [--count 64] [--out DIR] [--write]

Both come from one `nibble evaluate` of the built-in model (held-out prompts, DDIM 20 steps, guidance 5) against its own float32
pictures; text encoder and decoder stay as they are where a method is judged. Equal bytes: the file of SVDQuant+GPTQ at rank 32 is the
budget (--target-size) of every method, which spends it on int8 layers and, where it has branches, on their ranks. --write replaces the tables in the pages; a run that was stopped goes
on where it was.
"""

import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("NIBBLE_CACHE", pathlib.Path.home() / ".cache" / "nibble"))
PAGES = {"methods": ROOT / "docs" / "quantize.md", "parts": ROOT / "docs" / "how-it-works.md"}
METHODS = ["rtn", "gptq", "smooth", "svdquant", "svdquant+gptq"]
PRECISIONS = ["w8a8", "w4a16", "w4a8", "w4a4"]
EQUAL = ["rtn", "gptq", "svdquant", "svdquant+gptq"]
DRAWING = ["--dataset", "emoji", "--split", "held-out", "--order", "random", "--sampler", "ddim", "--steps", "20", "--guidance", "5"]
# The order that must hold, each step with its 95 % interval above zero.
STEPS = [("rtn", "gptq"), ("rtn", "svdquant"), ("svdquant", "svdquant+gptq")]


def evaluate(options, arms):
    subprocess.run([str(options.program), "evaluate", "f32=emoji@f32", *arms, *DRAWING, "--count", str(options.count), "--out", str(options.out)],
                   check=True, stdout=subprocess.DEVNULL)


def method_arm(method, precision):
    return f"{precision}-{method}=emoji@{precision}/{method}/vae=keep/text=keep"


def equal_arms(out):
    """The same bytes as SVDQuant+GPTQ's branches, spent as the measured errors say: on int8 layers or ranks ("-bits": on int8 layers alone)."""
    arms = []
    for precision in PRECISIONS[1:]:
        budget = (out / "models" / f"{precision}-svdquant+gptq.safetensors").stat().st_size
        for method in EQUAL:
            arms.append(f"{precision}-{method}-equal=emoji@{precision}/{method}/size={budget}B/vae=keep/text=keep")
        arms.append(f"{precision}-svdquant+gptq-bits=emoji@{precision}/svdquant+gptq/r0/size={budget}B/vae=keep/text=keep")
    return arms


def part_arms():
    only = {"text encoder": "unet=keep/vae=keep/text={}", "UNet": "unet={}/vae=keep/text=keep", "VAE decoder": "unet=keep/vae={}/text=keep"}
    names = {"text encoder": "text", "UNet": "unet", "VAE decoder": "vae"}
    return {(part, p): (f"only-{names[part]}-{p}", f"only-{names[part]}-{p}=emoji@{p}/" + rule.format(p))
            for part, rule in only.items() for p in ("w8a8", "w4a8", "w4a4")}


class Report:
    def __init__(self, out):
        report = json.loads((out / "report.json").read_text())
        self.quality = {arm["label"]: arm["metrics"] for arm in report["quality"]["arms"]}
        self.bytes = {arm["label"]: arm["model_bytes"] for arm in report["arms"]}
        self.differences = {(d["from"], d["to"], d["metric"]): d for d in report["quality"]["differences"]}
        self.count = report["quality"]["protocol"]["prompts"]

    def psnr(self, label):
        m = self.quality[label]["psnr"]
        return f"{m['mean']:.2f} ± {m['high'] - m['mean']:.2f}"

    def cell(self, label):
        return f"{self.psnr(label)} dB, {self.quality[label]['ssim']['mean']:.4f}, {self.bytes[label] / 1e6:.2f} MB"

    def step(self, start, end):
        d = self.differences.get((start, end, "psnr"))
        sign = 1
        if d is None:
            d, sign = self.differences[(end, start, "psnr")], -1
        low, high = sorted((sign * d["low"], sign * d["high"]))
        return f"{sign * d['mean']:+.2f} ({low:+.2f} to {high:+.2f})" + ("" if low > 0 else " **no**")


def methods_table(report):
    text = f"Mean PSNR with its 95 % interval, SSIM and bytes of the file, {report.count} prompts:\n\n"
    text += "| | " + " | ".join(p.upper() for p in PRECISIONS) + " |\n|---|" + "---|" * len(PRECISIONS) + "\n"
    for method in METHODS:
        text += f"| {method} | " + " | ".join(report.cell(f"{p}-{method}") for p in PRECISIONS) + " |\n"
    equal = [(f"{method}-equal", f"{method}, equal bytes") for method in EQUAL]
    for method, title in equal + [("svdquant+gptq-bits", "svdquant+gptq, equal bytes, no branches")]:
        text += f"| {title} | — | " + " | ".join(report.cell(f"{p}-{method}") for p in PRECISIONS[1:]) + " |\n"
    text += "\nPaired differences in PSNR over the same prompts, dB, with the 95 % interval; **no** where it is not above zero:\n\n"
    text += "| step | " + " | ".join(p.upper() for p in PRECISIONS[1:]) + " |\n|---|" + "---|" * (len(PRECISIONS) - 1) + "\n"
    steps = STEPS + [(f"{start}-equal", f"{end}-equal") for start, end in STEPS]
    steps += [("rtn-equal", "svdquant"), ("svdquant+gptq-bits", "svdquant+gptq-equal"), ("svdquant+gptq-bits", "svdquant+gptq")]
    for start, end in steps:
        text += f"| {start} → {end} | " + " | ".join(report.step(f"{p}-{start}", f"{p}-{end}") for p in PRECISIONS[1:]) + " |\n"
    text += f"| W4A4 → W4A8, svdquant+gptq | {report.step('w4a4-svdquant+gptq', 'w4a8-svdquant+gptq')} | | |\n"
    return text


def parts_table(report, parts):
    text = f"PSNR against the float32 pictures when only one part is quantized (svdquant+gptq), {report.count} prompts:\n\n"
    text += "| only | W8A8 | W4A8 | W4A4 |\n|---|---|---|---|\n"
    for part in dict.fromkeys(part for part, _ in parts):
        text += f"| {part} | " + " | ".join(report.psnr(parts[part, p][0]) + " dB" for p in ("w8a8", "w4a8", "w4a4")) + " |\n"
    return text


def replace(page, name, table):
    begin, end = f"<!-- tools/quality_tables.py: {name} -->\n", "<!-- end -->\n"
    text = page.read_text()
    before, rest = text.split(begin)
    page.write_text(before + begin + table + end + rest.split(end, 1)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "nibble")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--out", type=pathlib.Path, default=CACHE / "quality-tables")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    arms = [method_arm(method, precision) for precision in PRECISIONS for method in METHODS]
    parts = part_arms()
    evaluate(options, arms)
    evaluate(options, arms + equal_arms(options.out) + [text for _, text in parts.values()])
    report = Report(options.out)
    tables = {"methods": methods_table(report), "parts": parts_table(report, parts)}
    for name, table in tables.items():
        print(table)
        if options.write:
            replace(PAGES[name], name, table)


if __name__ == "__main__":
    main()
