"""Trains the byte-pair vocabulary and writes it in CLIP's file format.

usage: tokenizer.py DATA OUT
"""

import collections
import json
import sys
from pathlib import Path

import regex

from captions import GROUPS, load_things
from dataset import STYLES, TONES

MERGES = 4096
MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"
WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def byte_characters() -> list[str]:
    """A printable character for each byte, in the order of CLIP's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def byte_to_character() -> dict[int, str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return dict(zip(printable + rest, byte_characters()))


def count_words(data_dir: Path) -> collections.Counter:
    _, things = load_things(data_dir)
    counts = collections.Counter()

    def add(text: str, weight: int) -> None:
        for word in WORD.findall(text.lower()):
            counts[word] += weight

    for thing in things:
        add(f"{thing.label} {thing.style} {thing.group}", 4)
        for tag in thing.tags:
            add(tag, 1)
    for row in json.loads((data_dir / "words.json").read_text()):
        add(row["label"], 1)
        add(" ".join(row["tags"]), 1)
    glue = ("a an in style emoji of with and skin tone", *STYLES, *TONES, *GROUPS)
    add(" ".join(glue), 10_000)
    return counts


def learn_merges(counts: collections.Counter, wanted: int) -> list[tuple[str, str]]:
    to_character = byte_to_character()
    words = []
    for word, count in sorted(counts.items()):
        characters = [to_character[b] for b in word.encode()]
        words.append([characters[:-1] + [characters[-1] + "</w>"], count])
    merges = []
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for index, (symbols, count) in enumerate(words):
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += count
            where[pair].add(index)
    while len(merges) < wanted and pairs:
        best = max(pairs, key=lambda p: (pairs[p], p))
        if pairs[best] <= 0:
            break
        merges.append(best)
        for index in where.pop(best):
            symbols, count = words[index]
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] -= count
            joined, i = [], 0
            while i < len(symbols):
                if tuple(symbols[i : i + 2]) == best:
                    joined.append(symbols[i] + symbols[i + 1])
                    i += 2
                else:
                    joined.append(symbols[i])
                    i += 1
            words[index][0] = joined
            for pair in zip(joined, joined[1:]):
                pairs[pair] += count
                where[pair].add(index)
        pairs.pop(best, None)
    return merges


def write_tokenizer(data_dir: Path, out: Path) -> None:
    merges = learn_merges(count_words(data_dir), MERGES)
    characters = byte_characters()
    tokens = characters + [c + "</w>" for c in characters] + ["".join(m) for m in merges]
    tokens += [START, END]
    assert len(set(tokens)) == len(tokens)
    out.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (out / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (out / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_TOKENS, "do_lower_case": True,
         **special}, indent=2) + "\n")
    (out / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    print(f"{len(merges)} merges, {len(tokens)} tokens")


if __name__ == "__main__":
    write_tokenizer(Path(sys.argv[1]), Path(sys.argv[2]))
