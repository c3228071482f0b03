#!/usr/bin/env python3
"""Checks every #include against src/layers.txt: check_layers.py [--root DIR]. Prints the offences and ends with status 1.

A file of src/ includes its own folder, folders of lower levels, and the folders of its level that its row lists.
apps/cli includes anything below the C API; other apps, the bindings and the tests of the C API include nibble/ only.
A third-party header is included by one file of ours (tests apart), and vector intrinsics by the kernels only.
Headers define a type's name once in a namespace: two would be one to the linker.
"""

import argparse
import collections
import pathlib
import re
import sys

SUFFIXES = {".h", ".hpp", ".cc", ".cpp", ".c", ".inc", ".mm"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)
NAMESPACE = re.compile(r"^namespace ([\w:]+) \{", re.M)
TYPE = re.compile(r"^(?:struct|class|enum class|union) (\w+)[^;{]*\{", re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
PUBLIC = "nibble/"
PUBLIC_ONLY = ("apps/", "bindings/", "tests/capi/")
PROGRAM = "apps/cli/"
INTRINSICS = re.compile(r"^(\w*mmintrin\.h|x86intrin\.h|arm_\w+\.h|simde/.*|wasm_simd128\.h)$")
INTRINSICS_FOLDERS = ("src/kernels/",)
TEST_LIBRARIES = ("gtest", "gmock", "benchmark")
SYSTEM = re.compile(
    r"^(sys|linux|asm|netinet|arpa|net|mach|bits|sanitizer|android)/|"
    r"^(assert|ctype|errno|fenv|float|inttypes|limits|locale|math|setjmp|signal|stdarg|stdbool|stddef|stdint|stdio|stdlib"
    r"|string|strings|time|uchar|wchar|unistd|fcntl|dirent|pthread|sched|semaphore|poll|termios|dlfcn|cpuid|execinfo|glob"
    r"|malloc|getopt|libgen|pwd|netdb|spawn|ucontext|windows|io|direct|process|intrin|cxxabi)\.h$"
)


def read_layers(path):
    """{folder: (level, [folders of the same level it may include])}"""
    layers = {}
    for line in path.read_text().splitlines():
        if line[:1].isdigit():
            level, folder, *allowed = line.split()
            layers[folder] = (int(level), allowed)
    return layers


def table_offences(layers):
    for folder, (level, allowed) in layers.items():
        for other in allowed:
            if other not in layers:
                yield f"src/layers.txt: {folder} lists {other}, which has no row"
            elif layers[other][0] != level:
                yield f"src/layers.txt: {folder} lists {other}, which is not on its level {level}"


def source_files(root):
    for top in ("src", "apps", "bindings", "include", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(root).as_posix()


def includes(text):
    """[(line, name, quoted)] of a file, comments left out."""
    text = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    return [(text.count("\n", 0, m.start()) + 1, m[1] or m[2], m[1] is not None) for m in INCLUDE.finditer(text)]


def folder_of(name, layers):
    """The longest row of the table that holds src/<name>, or None."""
    parts = name.split("/")[:-1]
    for length in range(len(parts), 0, -1):
        if "/".join(parts[:length]) in layers:
            return "/".join(parts[:length])
    return None


def types_of(text):
    """{qualified name: line} of the types that a header defines at namespace scope, which our layout leaves unindented."""
    text = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    spaces = [(m.start(), m[1]) for m in NAMESPACE.finditer(text)]
    found = {}
    for m in TYPE.finditer(text):
        outer = [name for start, name in spaces if start < m.start()]
        if outer:
            found[f"{outer[-1]}::{m[1]}"] = text.count("\n", 0, m.start()) + 1
    return found


def type_offences(root, files):
    """Names defined by more than one header; headers of kernels' instruction sets are each compiled into a namespace of their own."""
    places = collections.defaultdict(list)
    for file in files:
        if file.startswith("src/") and file.endswith(".h") and not file.startswith("src/kernels/simd/"):
            for name, line in types_of((root / file).read_text(errors="replace")).items():
                places[name].append(f"{file}:{line}")
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield f"{name}: one header defines a type, found {len(where)}: {', '.join(where)}"


def is_test(name):
    return name.startswith("tests/") or re.search(r"_(test|bench|fuzz)\.(cc|h)$", name) is not None


def own_include_offence(file, target, layers, root):
    """Why `file` may not include "target", or None."""
    if target.startswith(PUBLIC):
        return None if (root / "include" / target).exists() else f'"{target}" does not exist below include/'
    if file.startswith("include/"):
        return f'"{target}": a public header includes public headers only'
    if file.startswith("tests/") and ((root / file).parent / target).exists():
        return None
    own_folder = "/".join(file.split("/")[:2]) + "/"
    if not file.startswith("src/") and target.startswith(own_folder) and (root / target).exists():
        return None
    if file.startswith(PUBLIC_ONLY) and not file.startswith(PROGRAM):
        return f'"{target}": only {PUBLIC} headers may be included here'
    if not (root / "src" / target).exists():
        return f'"{target}" does not exist; paths start at src/'
    if file.startswith("tests/"):
        return None
    to = folder_of(target, layers)
    if to is None:
        return f'"{target}" is in a folder without a row in src/layers.txt'
    to_level = layers[to][0]
    if file.startswith(PROGRAM):
        return f'"{target}": the program includes folders below the C API' if to == "capi" else None
    at = folder_of(file[len("src/"):], layers)
    if at is None:
        return "this folder has no row in src/layers.txt"
    level, allowed = layers[at]
    if at == to or to_level < level or to in allowed:
        return None
    return f'"{target}": {at} (level {level}) may not include {to} (level {to_level})'


def library_of(header):
    """The third-party library of <header>, or None for headers of the language, of the system and of tests."""
    if "." not in header and "/" not in header or SYSTEM.match(header):
        return None
    library = header.split("/")[0]
    return None if library in TEST_LIBRARIES else library


def cycle(edges):
    """A cycle of the graph as a list of nodes, or None."""
    state = {}

    def visit(node, path):
        state[node] = "open"
        for other in sorted(edges.get(node, ())):
            if state.get(other) == "open":
                return path[path.index(other):] + [other] if other in path else [node, other]
            if other not in state:
                found = visit(other, path + [other])
                if found:
                    return found
        state[node] = "done"
        return None

    for node in sorted(edges):
        if node not in state:
            found = visit(node, [node])
            if found:
                return found
    return None


def check(root):
    """(offences, number of files)"""
    layers = read_layers(root / "src" / "layers.txt")
    offences = list(table_offences(layers))
    users = collections.defaultdict(dict)  # library: {file: line}
    folder_edges, file_edges = collections.defaultdict(set), collections.defaultdict(set)
    files = list(source_files(root))
    for file in files:
        for line, target, quoted in includes((root / file).read_text(errors="replace")):
            where = f"{file}:{line}"
            if quoted:
                offence = own_include_offence(file, target, layers, root)
                if offence:
                    offences.append(f"{where}: {offence}")
                elif file.startswith("src/") and not target.startswith(PUBLIC):
                    file_edges[file[len("src/"):]].add(target)
                    at, to = folder_of(file[len("src/"):], layers), folder_of(target, layers)
                    if at != to:
                        folder_edges[at].add(to)
            elif INTRINSICS.match(target):
                if not file.startswith(INTRINSICS_FOLDERS):
                    offences.append(f"{where}: <{target}>: vector intrinsics stay in {' and '.join(INTRINSICS_FOLDERS)}")
            elif target.startswith(PUBLIC):
                offences.append(f'{where}: <{target}>: write "{target}"')
            elif library_of(target) and not is_test(file):
                users[library_of(target)].setdefault(file, line)
    for library, places in sorted(users.items()):
        if len(places) > 1:
            shown = ", ".join(f"{file}:{line}" for file, line in places.items())
            offences.append(f"<{library}>: one file of ours includes a library, found {len(places)}: {shown}")
    for kind, edges in (("folders", folder_edges), ("files", file_edges)):
        found = cycle(edges)
        if found:
            offences.append(f"{kind} include each other: {' -> '.join(found)}")
    offences += type_offences(root, files)
    return offences, len(files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    offences, files = check(parser.parse_args().root)
    for offence in offences:
        print(offence)
    print(f"layers: {files} files, {len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
