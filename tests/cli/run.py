#!/usr/bin/env python3
"""Runs text cases of the command line: run.py --program PATH FILE.test

A case is a command and what must hold after it; a file's cases share one empty folder, {tmp}, and run in order.

    # A comment.
    needs ../shared/data/taef2      skip the file when this path of the repository is absent
    $ nibble generate "a cat" --out {tmp}/cat.png
    exit 0                          the exit status, 0 when not said
    out REGEX                       some line of stdout matches; further ones match on later lines
    err REGEX                       the same for stderr
    no out REGEX                    no line of stdout matches; `no err` the same for stderr; without REGEX: nothing printed
    file {tmp}/cat.png              exists and is not empty
    no file {tmp}/dog.png           does not exist
    same {tmp}/a.png {tmp}/b.png    byte for byte; `no same`: they differ

{root} is the repository. `$ NAME=value nibble ...` sets an environment variable, `$ killed nibble ...` kills the
command now and then and gives it again, `$ ranks 2 nibble ...` runs it twice side by side as mpirun does. `$` runs no shell: `write FILE TEXT` (\\n starts a line),
`truncate FILE BYTES` and `model FOLDER` (tiny_model.py) make the files that a case needs.
"""

import argparse
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile

import tiny_model

SKIPPED = 77
TIMEOUT_S = 600
FIRST_KILL_S, KILL_GROWTH = 0.02, 1.25


class Wrong(Exception):
    pass


def run_killed(command, **options):
    """What subprocess.run gives once the command was left to end; how often it was killed before is printed."""
    seed = random.randrange(2**32)
    source, longest, kills = random.Random(seed), FIRST_KILL_S, 0
    while True:
        try:
            done = subprocess.run(command, timeout=longest if kills == 0 else source.uniform(0, longest), **options)
            print(f"killed {kills} times, seed {seed}")
            return done
        except subprocess.TimeoutExpired:
            kills, longest = kills + 1, longest * KILL_GROWTH
            if longest > TIMEOUT_S:
                raise


def run_ranks(count, command, **options):
    """What the first of `count` processes gives that run side by side as mpirun starts them; the others must succeed."""
    def environment(rank):
        return options["env"] | {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": str(count)}

    if count == 1:
        return subprocess.run(command, timeout=TIMEOUT_S, **options)
    quiet = {"cwd": options["cwd"], "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    others = [subprocess.Popen(command, env=environment(rank), **quiet) for rank in range(1, count)]
    try:
        done = subprocess.run(command, timeout=TIMEOUT_S, **(options | {"env": environment(0)}))
        for rank, other in enumerate(others, 1):
            if other.wait(TIMEOUT_S) != 0:
                raise Wrong(f"process {rank} of {count} ended with status {other.returncode}")
    finally:
        for other in others:
            other.kill()
    return done


class Case:
    """A command that has run, and the expectations that are held against it."""

    def __init__(self, line, words, program, folder):
        self.line = line
        environment = dict(os.environ)
        while words and re.match(r"^[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        killed, ranks = words[:1] == ["killed"], 1
        if killed:
            words.pop(0)
        if words[:1] == ["ranks"]:
            ranks, words = int(words[1]), words[2:]
        if not words or words[0] != "nibble":
            raise Wrong(f"line {line}: a command starts with nibble")
        options = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, "capture_output": True}
        command = [program, *words[1:]]
        if killed:
            done = run_killed(command, **options)
        else:
            done = run_ranks(ranks, command, **options)
        self.status = done.returncode
        self.lines = {"out": done.stdout.decode(errors="replace").splitlines(),
                      "err": re.split(r"[\r\n]+", done.stderr.decode(errors="replace").rstrip("\r\n"))}
        if self.lines["err"] == [""]:
            self.lines["err"] = []
        self.next = {"out": 0, "err": 0}

    def expect_line(self, stream, pattern):
        for at in range(self.next[stream], len(self.lines[stream])):
            if re.search(pattern, self.lines[stream][at]):
                self.next[stream] = at + 1
                return
        raise Wrong(f"std{stream}: no line matches /{pattern}/ from line {self.next[stream] + 1} on")

    def expect_no_line(self, stream, pattern):
        for text in self.lines[stream]:
            if re.search(pattern, text):
                raise Wrong(f"std{stream}: nothing may match /{pattern}/, found '{text}'")

    def show(self):
        for stream in ("out", "err"):
            for text in self.lines[stream][:40]:
                print(f"    {stream}| {text}")


def expect_file(path, wanted):
    if wanted and (not path.is_file() or path.stat().st_size == 0):
        raise Wrong(f"file {path} is missing or empty")
    if not wanted and path.exists():
        raise Wrong(f"file {path} exists")


def expect_same(first, second, wanted):
    for path in (first, second):
        expect_file(path, True)
    if (first.read_bytes() == second.read_bytes()) != wanted:
        raise Wrong(f"{first.name} and {second.name} are {'different' if wanted else 'the same'}")


class Runner:
    def __init__(self, program, root, folder):
        self.program, self.root, self.folder = program, root, folder
        self.case, self.cases, self.wrong = None, 0, 0
        self.status_said = True

    def fail(self, where, text):
        self.wrong += 1
        print(f"{where}: {text}")
        if self.case:
            self.case.show()

    def end_case(self, where):
        """A case that says no status must have ended with 0."""
        if self.case and not self.status_said and self.case.status != 0:
            self.fail(where, f"exit status: want 0 found {self.case.status}")

    def apply(self, number, word, rest):
        rest = rest.replace("{tmp}", str(self.folder)).replace("{root}", str(self.root))
        if word == "$":
            self.cases, self.status_said = self.cases + 1, False
            self.case = Case(number, shlex.split(rest), self.program, self.folder)
        elif word == "write":
            path, _, text = rest.partition(" ")
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(path).write_text(text.replace("\\n", "\n") + "\n")
        elif word == "model":
            tiny_model.write_model(rest)
        elif word == "truncate":
            path, size = rest.split()
            os.truncate(path, int(size))
        elif word in ("file", "no file"):
            expect_file(pathlib.Path(rest), word == "file")
        elif word in ("same", "no same"):
            expect_same(*map(pathlib.Path, shlex.split(rest)), word == "same")
        elif self.case is None:
            raise Wrong(f"'{word}' before the first command")
        elif word == "exit":
            self.status_said = True
            if self.case.status != int(rest):
                raise Wrong(f"exit status: want {rest} found {self.case.status}")
        elif word in ("out", "err"):
            self.case.expect_line(word, rest)
        elif word in ("no out", "no err"):
            self.case.expect_no_line(word[3:], rest)
        else:
            raise Wrong(f"unknown expectation '{word}'")

    def run(self, path):
        where = path.name
        for number, line in enumerate(path.read_text().splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            match = re.match(r"(\$|(?:no )?\w+)(?: +(.*))?$", line)
            word, rest = (match[1], match[2] or "") if match else (line, "")
            if word == "needs":
                if not (self.root / rest).exists():
                    print(f"{path.name}: skipped, {rest} is absent")
                    return SKIPPED
                continue
            if word == "$":
                self.end_case(where)
            where = f"{path.name}:{number}"
            try:
                self.apply(number, word, rest)
            except (Wrong, OSError, subprocess.TimeoutExpired) as error:
                self.fail(f"{where}: {line}", str(error))
        self.end_case(where)
        print(f"{path.name}: {self.cases} commands, {self.wrong} wrong expectations")
        return 1 if self.wrong or not self.cases else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("file", type=pathlib.Path)
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="nibble-cli-") as folder:
        return Runner(os.path.abspath(options.program), root, pathlib.Path(folder)).run(options.file)


if __name__ == "__main__":
    sys.exit(main())
