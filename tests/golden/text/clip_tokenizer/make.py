"""Token ids of transformers' CLIPTokenizer.

vocabulary   OpenAI's merges from data/clip
characters   "x" + c + "Y1" for every character assigned in Unicode 14, hashed by blocks of 256 code points
captions     every line of the shared COCO captions and PartiPrompts, one hash each
nasty        texts that stress normalization, splitting and merging, with all ids
settings     tokenizer folders as published for SD 1, SD 2 and SDXL, small vocabulary, both file layouts
"""
import contextlib
import gzip
import hashlib
import io
import json
import os
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import safetensors
import tokenizers
import transformers
from safetensors.numpy import save_file
from transformers import CLIPTokenizer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
SHARED = Path(os.environ.get("NIBBLE_SHARED_DATA", ROOT.parent / "shared" / "data"))

NASTY = [
    "", " ", "\n\t  \n", "a", "A", ",", "a photo of a cat", "  leading and   trailing\tspace \n", "UPPER lower MiXeD",
    "it's they're we've I'm you'll he'd can't", "'s's's 'S 'RE ''ll x'dx '' '", "1234567890 3.14 a1b2 ½ Ⅷ ²",
    "hello,world;(a:b)[c]{d}!? -- ...", "!!! wow! a!b !", "<|endoftext|>", "x<|startoftext|>y", "x <|ENDOFTEXT|>!! y",
    "<|endoftext", "<|EndOfText|>'s 's<|EndOfText|>", "một con mèo đang ngủ trên ghế sô pha", "MỘT CON MÈO ĐANG NGỦ",
    "mo\u0323\u0302t con me\u0300o", "Tiê\u0301ng Viê\u0323t \u1ec7 \u00ea\u0323",
    "一只猫坐在沙发上", "東京タワー カタカナ ﾊﾝｶｸ", "서울의 고양이 \u1112\u1161\u11ab",
    "кошка на диване ЁЖ", "γάτα ΣΑΣ σς ΑΣ", "İstanbul IĞDIR ıı", "STRASSE Straße ẞ", "عربي قطة", "हिन्दी बिल्ली क्षि", "ไทย แมว",
    "😀 🐱‍👤 👩‍👩‍👧‍👦 🇻🇳 👍🏽 ❤️ ☃", "emoji😀between", "é e\u0301 Å Å ﬁ ﬀ Ω Ω", "a\u00a0b\u2003c\u3000d\u200be\u2028f\u0085g\x1fh",
    "\x00\x01\x02 \x7f", "tab\tnew\r\nline\vvt\fff", "zero\u200dwidth\u200cjoin\ufeffbom", "\ufffd \U0010ffff \ue000",
    "ǅ ǈ ǋ ᾼ", "ⅷ ⓐ Ⓐ 🅰", "\u0301\u0302 a", "x" * 300, "ab" * 200, "the " * 100, "1" * 100, "!" * 100, "é" * 100, "猫" * 100,
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "http://example.com/a_b?c=d&e=%20#f", "&amp; &lt;b&gt;",
    "a,b ,c , d", "“curly” ‘quotes’ it’s — en–dash…", "𝒜𝓁𝓅𝒽𝒶 𝟘𝟙 𐐀𐐨", "ÀÉÎÕÜ ÇÑ", "_under_score_ __init__", "1st 2nd 3D 4k 8K",
]


def openai_vocabulary():
    lines = gzip.open(ROOT / "data/clip/bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
    return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


def vocabulary(merges):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(tokens)}


def write_folder(folder, merges, config, special_map):
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary(merges), ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if special_map is not None:
        (folder / "special_tokens_map.json").write_text(json.dumps(special_map))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return CLIPTokenizer.from_pretrained(folder)


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def hash_ids(ids):
    return fnv1a64(np.asarray(ids, "<i4").tobytes())


def as_u8(data):
    return np.frombuffer(data if isinstance(data, bytes) else data.encode("utf-8"), np.uint8)


def as_i64(hashes):
    return np.asarray(hashes, np.uint64).view(np.int64)


def add_texts(tensors, name, texts, ids):
    tensors[f"{name}.text"] = as_u8("".join(texts))
    tensors[f"{name}.text_end"] = np.cumsum([len(t.encode("utf-8")) for t in texts]).astype(np.int32)
    tensors[f"{name}.ids"] = np.concatenate([np.asarray(i, np.int32) for i in ids])
    tensors[f"{name}.ids_end"] = np.cumsum([len(i) for i in ids]).astype(np.int32)


def inner(tokenizer, texts):
    return [ids[1:-1] for ids in tokenizer(texts).input_ids]


def add_characters(tensors, tokenizer):
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    points = np.array(assigned, np.int32)
    gap = np.flatnonzero(np.diff(points) > 1)
    first, last = points[np.r_[0, gap + 1]], points[np.r_[gap, len(points) - 1]]
    tensors["characters.ranges"] = np.stack([first, last + 1], axis=1)
    blocks = {}
    all_ids = inner(tokenizer, [f"x{chr(c)}Y1" for c in assigned])
    for c, ids in zip(assigned, all_ids):
        blocks.setdefault(c >> 8, []).extend(ids)
    tensors["characters.block"] = np.array(list(blocks), np.int32)
    tensors["characters.hash"] = as_i64([hash_ids(ids) for ids in blocks.values()])


def add_shared(tensors, tokenizer):
    captions = (SHARED / "coco/captions_source.tsv").read_text(encoding="utf-8").splitlines()[1:]
    parti = (SHARED / "prompts/PartiPrompts.tsv").read_text(encoding="utf-8").split("\n")
    for name, lines in {"captions": captions, "parti": [line for line in parti if line]}.items():
        tensors[f"{name}.hash"] = as_i64([hash_ids(ids) for ids in inner(tokenizer, lines)])


def settings():
    token = lambda text, normalized=True: {"content": text, "lstrip": False, "normalized": normalized, "rstrip": False,
                                           "single_word": False}
    typed = lambda text: token(text) | {"__type": "AddedToken"}
    start, end = "<|startoftext|>", "<|endoftext|>"
    base = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace", "tokenizer_class": "CLIPTokenizer"}
    decoder = {"0": token("!", False), "812": token(start), "813": token(end)}
    decoder = {key: value | {"special": True} for key, value in decoder.items()}
    return {
        "bare": (None, None),
        "sd1": (base | {"bos_token": typed(start), "eos_token": typed(end), "unk_token": typed(end), "pad_token": end,
                        "model_max_length": 77},
                {"bos_token": token(start), "eos_token": token(end), "unk_token": token(end), "pad_token": end}),
        "sd2": (base | {"bos_token": typed(start), "eos_token": typed(end), "unk_token": typed(end), "pad_token": end,
                        "model_max_length": 77},
                {"bos_token": token(start), "eos_token": token(end), "unk_token": token(end), "pad_token": "!"}),
        "sdxl2": (base | {"added_tokens_decoder": decoder, "bos_token": start, "eos_token": end, "unk_token": end,
                          "pad_token": "!", "model_max_length": 77},
                  {"bos_token": token(start), "eos_token": token(end), "unk_token": token(end), "pad_token": "!"}),
        "builtin": (base | {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end,
                            "model_max_length": 32}, None),
    }


def add_settings(tensors, merges):
    texts = ["wow! a<|endoftext|>b", "x <|ENDOFTEXT|>! y", "plain text of a cat", "!", "Ω 猫"]
    with tempfile.TemporaryDirectory() as scratch:
        for name, (config, special_map) in settings().items():
            folder = Path(scratch) / name
            tokenizer = write_folder(folder, merges, config, special_map)
            add_result(tensors, f"settings.{name}", tokenizer, texts, folder, {"vocab.json", "merges.txt"})
            saved = Path(scratch) / f"{name}_saved"
            tokenizer.save_pretrained(saved)
            again = CLIPTokenizer.from_pretrained(saved)
            if name in ("sd1", "sdxl2"):
                add_result(tensors, f"settings.{name}_saved", again, texts, saved, set())
        first = Path(scratch) / "bare"
        tensors["settings.vocab"] = as_u8((first / "vocab.json").read_bytes())
        tensors["settings.merges"] = as_u8((first / "merges.txt").read_bytes())
    tensors["settings.names"] = as_u8("\n".join(n[9:-4] for n in tensors if n.startswith("settings.") and n.endswith(".pad")))


def add_result(tensors, name, tokenizer, texts, folder, shared_files):
    for file in sorted(folder.iterdir()):
        if file.name not in shared_files:
            tensors[f"{name}/{file.name}"] = as_u8(file.read_bytes())
    add_texts(tensors, name, texts, inner(tokenizer, texts))
    limit = tokenizer.model_max_length
    tensors[f"{name}.pad"] = np.array([tokenizer.pad_token_id, limit if limit < 10**6 else 77], np.int32)


def main():
    tensors = {}
    merges = openai_vocabulary()
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = write_folder(Path(scratch) / "openai", merges, settings()["sd1"][0], settings()["sd1"][1])
        add_texts(tensors, "nasty", NASTY, inner(tokenizer, NASTY))
        add_characters(tensors, tokenizer)
        add_shared(tensors, tokenizer)
        padded = write_folder(Path(scratch) / "sd2", merges, settings()["sd2"][0], settings()["sd2"][1])
        add_texts(tensors, "nasty_sd2", NASTY[:20], inner(padded, NASTY[:20]))
    add_settings(tensors, merges[:300])
    metadata = {m.__name__: m.__version__ for m in (transformers, tokenizers, np, safetensors)}
    metadata |= {"python": sys.version.split()[0], "unicode": unicodedata.unidata_version,
                 "make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}
    path = HERE / "data.safetensors"
    save_file(tensors, path, metadata=metadata)
    print(path.stat().st_size, "bytes", metadata)


main()
