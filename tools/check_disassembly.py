#!/usr/bin/env python3
"""Reads the machine code of the kernels: check_disassembly.py [--build DIR]... [--verbose].

Some compilers fill an unrolled loop of multiply-adds with register copies or spills, which halves its speed and fails no
test. Of the multiply-adds of an innermost loop (8 or more of them) in the families that they bound, copies of vector
registers may be at most a half, and vectors read from or written to the stack at most an eighth. Looks at build/release
and build/aarch64 unless told.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ISAS = ("avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "neon", "dotprod", "i8mm")
FAMILIES = ("gemm", "qgemm", "qgemm_grouped", "attention", "peaks")
FEWEST, MOST_COPIES, MOST_SPILLS = 8, 1 / 2, 1 / 8

MULTIPLY_ADD = re.compile(r"^(?:\{vex\} )?(vfn?m(add|sub)\w*p[sd]|vdpbf16ps|vpdp\w+|vpmadd\w+|fmla|fmls|bfdot|bfmmla|[su]dot|[su]mmla)\s")
COPY = re.compile(r"^(vmov[au]p[sd]|vmovdq[au](32|64)?)\s+%[xyz]mm\d+,%[xyz]mm\d+$|^mov\s+v\d+\.16b, v\d+\.16b$")
STACK = re.compile(r"^v\w+\s.*\(%r[sb]p[,)].*|^(ldr|str|ldp|stp)\s+q\d+.*\[sp")
JUMP = re.compile(r"^(?:j\w+|b\.\w+|b|cbn?z|tbn?z)\s(?:.*[, ])?([0-9a-f]+) <")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(.*)$")


def functions(path, objdump):
    """(name, [(address, instruction)]) of an object file."""
    text = subprocess.run([objdump, "-dC", "--no-show-raw-insn", str(path)], check=True, capture_output=True).stdout
    name, body = None, []
    for line in text.decode(errors="replace").splitlines():
        if match := FUNCTION.match(line):
            if name:
                yield name, body
            name, body = match.group(1), []
        elif match := INSTRUCTION.match(line):
            body.append((int(match.group(1), 16), " ".join(match.group(2).split())))
    if name:
        yield name, body


def innermost_loops(body):
    """Instructions of each backward jump's range that holds no other such range."""
    ranges = []
    for address, instruction in body:
        match = JUMP.match(instruction)
        if match and int(match.group(1), 16) <= address:
            ranges.append((int(match.group(1), 16), address))
    for first, last in ranges:
        if not any((a, b) != (first, last) and first <= a and b <= last for a, b in ranges):
            yield [instruction for address, instruction in body if first <= address <= last]


def judge(loop):
    """How many multiply-adds, register copies and stack accesses a loop has."""
    return tuple(sum(1 for line in loop if pattern.match(line)) for pattern in (MULTIPLY_ADD, COPY, STACK))


def check(build, verbose):
    """Offences and the number of loops of a build directory."""
    objdump = "aarch64-linux-gnu-objdump" if "aarch64" in build.name else "objdump"
    if shutil.which(objdump) is None:
        sys.exit(f"program {objdump}: not found; install binutils")
    offences, count = [], 0
    pattern = re.compile(r"nibble_kernels\.dir/.*/(%s)/\w+_(%s)\.cc\.o$" % ("|".join(FAMILIES), "|".join(ISAS)))
    for path in sorted(build.rglob("*.o")):
        if not pattern.search(path.as_posix()):
            continue
        before = count
        for name, body in functions(path, objdump):
            for loop in innermost_loops(body):
                sums, copies, spills = judge(loop)
                if sums < FEWEST:
                    continue
                count += 1
                function = name.replace("(anonymous namespace)::", "").split("(")[0]
                text = f"{path.name[:-2]}: {function}: a loop of {sums} multiply-adds has {copies} register copies"
                text += f" and {spills} stack accesses"
                if copies > MOST_COPIES * sums or spills > MOST_SPILLS * sums:
                    offences.append(text)
                elif verbose:
                    print(text)
        if count == before:
            offences.append(f"{path.name[:-2]}: no loop of multiply-adds found; is its instruction in MULTIPLY_ADD?")
    return offences, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="append", type=pathlib.Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    builds = arguments.build or [path for path in (ROOT / "build/release", ROOT / "build/aarch64") if path.exists()]
    if not builds:
        sys.exit("build/release: want a build to read; run ./check or ninja first")
    offences, count = [], 0
    for build in builds:
        found, loops = check(build, arguments.verbose)
        offences += found
        count += loops
        if loops == 0:
            offences.append(f"{build}: no kernel loop found; is nibble_kernels built?")
    for offence in offences:
        print(offence)
    print(f"disassembly: {count} loops of multiply-adds, {len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
