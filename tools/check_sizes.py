#!/usr/bin/env python3
"""Checks what should stay small: check_sizes.py [--root DIR]. Prints warnings and offences; offences end with status 1.

Files of code warn over 400 lines and are refused over 800; the networks have limits of their own. Functions warn over
60 lines. Files over 5 MB (the built-in model's weights apart), paths of one machine and left-over markers are refused.
"""

import argparse
import fnmatch
import os
import pathlib
import re
import subprocess
import sys

CODE = {".h", ".hpp", ".cc", ".cpp", ".c", ".inc", ".py", ".mjs", ".js", ".ts", ".kt", ".cmake", ".sh"}
BRACED = {".h", ".hpp", ".cc", ".cpp", ".c"}
TEXT = CODE | {".md", ".txt", ".json", ".test", ".yml", ""}
WARN_LINES, MOST_LINES, FUNCTION_LINES = 400, 800, 60
# A network's own files, tests apart.
FOLDER_LIMITS = {
    "src/models/unet": 500,
    "src/models/mmdit": 400,
    "src/models/vae": 300,
    "src/models/t5": 250,
    "src/models/clip": 150,
}
MOST_BYTES = 5 << 20
LARGE_ALLOWED = ("models/emoji/*.safetensors",)
# Spelt in pieces, so that this file passes its own check.
MACHINE_PATHS = re.compile(r"/wor" r"k/(main|shared|steering|\.)|/far" r"m/|/roo" r"t/\.?\w|\.\./\.lib" r"rary")
MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def listed_files(root):
    """Files of the project: what git tracks or would track; every file where there is no git."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (root / ".git").exists():
        names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
        return sorted({name for name in names if name and (root / name).is_file()})
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def blank_out(text):
    """The text with comments, strings, characters and preprocessor lines replaced by spaces; lines stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    pattern += r"|^[ \t]*#(?:\\\n|[^\n])*"
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S | re.M)


def long_functions(text):
    """[(line, lines)] of function bodies over FUNCTION_LINES, by braces: a body opens after a closing parenthesis."""
    text = blank_out(text)
    found, stack, since = [], [], 0
    for match in re.finditer(r"[{};]", text):
        at = match.start()
        if match.group() == "{":
            head = text[since:at]
            inside = any(kind == "body" for kind, _ in stack)
            named = re.search(r"\b(namespace|class|struct|union|enum|extern)\b", head.split("(")[0])
            body = not inside and not named and ")" in head
            stack.append(("body" if body else "other", text.count("\n", 0, at) + 1))
        elif match.group() == "}" and stack:
            kind, line = stack.pop()
            lines = text.count("\n", 0, at) + 2 - line
            if kind == "body" and lines > FUNCTION_LINES:
                found.append((line, lines))
        since = at + 1
    return found


def check_text(name, text):
    """(warnings, offences) of one text file."""
    warnings, offences = [], []
    suffix = os.path.splitext(name)[1]
    if suffix in CODE:
        lines = text.count("\n") + (not text.endswith("\n") and text != "")
        network = suffix == ".cc" and not name.endswith("_test.cc")
        limit = FOLDER_LIMITS.get(os.path.dirname(name), MOST_LINES) if network else MOST_LINES
        if lines > limit:
            offences.append(f"{name}: {lines} lines, at most {limit}; split it")
        elif lines > WARN_LINES:
            warnings.append(f"{name}: {lines} lines, better under {WARN_LINES}")
    if suffix in BRACED:
        for line, lines in long_functions(text):
            warnings.append(f"{name}:{line}: a function of {lines} lines, better under {FUNCTION_LINES}")
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATHS.search(line):
            offences.append(f"{name}:{number}: a path of one machine")
        if suffix in CODE and MARKERS.search(line):
            offences.append(f"{name}:{number}: a left-over marker; do it or write it down in docs/status.md")
    return warnings, offences


def check(root):
    """(warnings, offences, number of files)"""
    warnings, offences = [], []
    names = listed_files(root)
    for name in names:
        path = root / name
        size = path.stat().st_size
        if size > MOST_BYTES and not any(fnmatch.fnmatch(name, pattern) for pattern in LARGE_ALLOWED):
            offences.append(f"{name}: {size / 2**20:.1f} MB, at most {MOST_BYTES >> 20}")
        elif os.path.splitext(name)[1] in TEXT and not os.path.islink(path):
            more = check_text(name, path.read_text(errors="replace"))
            warnings += more[0]
            offences += more[1]
    return warnings, offences, len(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    warnings, offences, files = check(parser.parse_args().root)
    for warning in warnings:
        print(f"warning: {warning}")
    for offence in offences:
        print(offence)
    print(f"sizes: {files} files, {len(warnings)} warnings, {len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
