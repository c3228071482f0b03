#!/usr/bin/env python3
"""Keeps golden data and the scripts that made it together.

    tools/golden.py verify [AREA[/CASE] ...]     every data.safetensors names the SHA-256 of the scripts that made it
    tools/golden.py remake [AREA[/CASE] ...]     run make.py again and say what changed

`verify` needs the standard library only and exits 1 with a list when a script was edited without remaking its data.
`remake` needs the packages of training/requirements-goldens.txt in the Python that runs it, or in the one named by
NIBBLE_PYTHON or found at $NIBBLE_CACHE/venv/bin/python.
"""
import argparse
import array
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
LIMIT = 256 * 1024


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def header(path):
    """The JSON header of a safetensors file."""
    with open(path, "rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise ValueError("shorter than 8 bytes")
        (length,) = struct.unpack("<Q", prefix)
        if length > path.stat().st_size - 8:
            raise ValueError("header is longer than the file")
        return json.loads(file.read(length))


def helper(case, stem):
    """stem.py in a folder above the case, up to tests/golden."""
    for folder in case.parents:
        if (folder / f"{stem}.py").is_file():
            return folder / f"{stem}.py"
        if folder == GOLDEN:
            return None


def problems(case):
    """What is wrong with one case folder, as lines."""
    make, found, signed = case / "make.py", [], 0
    for data in sorted(case.glob("*.safetensors")):
        where = data.relative_to(ROOT)
        if data.stat().st_size > LIMIT:
            found.append(f"{where}: want at most {LIMIT} bytes, found {data.stat().st_size}")
        try:
            metadata = header(data).get("__metadata__", {})
        except (ValueError, AttributeError) as error:
            found.append(f"{where}: unreadable, {error}")
            continue
        if data.name != "data.safetensors" and not any(re.fullmatch("[0-9a-f]{64}", v) for v in metadata.values()):
            continue  # a foreign file kept as a test's input
        signed += 1
        if digest(make) not in metadata.values():
            found.append(f"{where}: {make.relative_to(ROOT)} changed since, or its SHA-256 is not in the metadata")
        for key, value in metadata.items():
            stem = key.removesuffix("_sha256")
            script = helper(case, stem) if stem != key and stem != "make" else None
            if script and digest(script) != value:
                found.append(f"{where}: {script.relative_to(ROOT)} changed since")
    if not found and not signed and next(case.glob("*.safetensors"), None):
        found.append(f"{case.relative_to(ROOT)}: no data file names the SHA-256 of make.py in its metadata")
    return found


def cases(selected):
    """Case folders, all of them or those named as area, area/case or a path."""
    every = sorted(path.parent for path in GOLDEN.rglob("make.py"))
    if not selected:
        return every
    wanted = [(GOLDEN / name).resolve() if (GOLDEN / name).exists() else Path(name).resolve() for name in selected]
    chosen = [case for case in every if any(case == want or want in case.parents for want in wanted)]
    if not chosen:
        sys.exit(f"golden case {' '.join(selected)}: no such folder with a make.py under {GOLDEN.relative_to(ROOT)}")
    return chosen


def python():
    cache = Path(os.environ.get("NIBBLE_CACHE", Path.home() / ".cache" / "nibble"))
    named = os.environ.get("NIBBLE_PYTHON")
    local = cache / "venv" / "bin" / "python"
    return named or (str(local) if local.is_file() else sys.executable)


def tensors(path):
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    entries = header(path)
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    return {name: (e["dtype"], tuple(e["shape"]), data[start + e["data_offsets"][0]:start + e["data_offsets"][1]])
            for name, e in entries.items() if name != "__metadata__"}


def difference(old, new):
    """One line on how the tensors of two readings of a file differ."""
    changed = [name for name in old if name in new and old[name] != new[name]]
    lines = [f"{len(old.keys() - new.keys())} gone, {len(new.keys() - old.keys())} new, {len(changed)} changed"]
    largest = (0.0, "")
    for name in changed:
        if old[name][:2] == new[name][:2] and old[name][0] == "F32":
            pairs = zip(array.array("f", old[name][2]), array.array("f", new[name][2]))
            largest = max(largest, (max(abs(a - b) for a, b in pairs), name))
    if largest[1]:
        lines.append(f"largest difference {largest[0]:.3g} in {largest[1]}")
    return ", ".join(lines)


def remake(chosen):
    failed = []
    for case in chosen:
        before = {path: tensors(path) for path in sorted(case.glob("*.safetensors"))}
        if not before:
            continue
        if subprocess.run([python(), str(case / "make.py")], cwd=case, check=False).returncode:
            failed.append(str(case.relative_to(ROOT)))
            continue
        for path, old in before.items():
            print(f"{path.relative_to(GOLDEN)}: {difference(old, tensors(path))}", flush=True)
    if failed:
        print("failed:", *failed, sep="\n  ", file=sys.stderr)
    return 1 if failed else 0


def verify(chosen):
    found = [line for case in chosen for line in problems(case)]
    if found:
        print(*found, sep="\n")
        print(f"{len(found)} stale; run: tools/golden.py remake AREA/CASE", file=sys.stderr)
        return 1
    print(f"{len(chosen)} golden cases agree with their scripts", file=sys.stderr)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("verify", "remake"))
    parser.add_argument("cases", nargs="*", metavar="AREA[/CASE]")
    arguments = parser.parse_args()
    return (verify if arguments.command == "verify" else remake)(cases(arguments.cases))


if __name__ == "__main__":
    sys.exit(main())
