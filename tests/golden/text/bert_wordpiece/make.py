"""Token ids of transformers' BertTokenizerLegacy (the Python one that ImageReward uses) with bert-base-uncased's vocabulary.

nasty      texts that stress cleaning, splitting and matching, with all ids
captions   every line of the shared PartiPrompts, one hash each
"""
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import transformers
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
SHARED = Path(os.environ.get("NIBBLE_SHARED_DATA", ROOT.parent / "shared" / "data"))
sys.path.insert(0, str(HERE.parents[1]))
from record import save_tensors  # noqa: E402

NASTY = [
    "", " ", "\n\t  \n", "a photo of a cat", "  leading and   trailing\tspace \n", "UPPER lower MiXeD", "don't you're it's",
    "hello,world;(a:b)[c]{d}!? -- ... $5 ^ ` ~ |", "[SEP] a [MASK]b[UNK] [sep] [CLS", "[DEC] [ENC]", "1234567890 3.14 a1b2 ½ Ⅷ ²",
    "một con mèo đang ngủ", "mo\u0323\u0302t con me\u0300o", "一只猫坐在沙发上", "東京タワー カタカナ ﾊﾝｶｸ", "서울의 고양이 \u1112\u1161\u11ab",
    "кошка на диване ЁЖ", "γάτα ΣΑΣ σς ΑΣ. ΑΣ,Β", "İstanbul IĞDIR ıı", "STRASSE Straße ẞ", "عربي قطة", "हिन्दी बिल्ली क्षि", "ไทย แมว",
    "😀 🐱‍👤 👩‍👩‍👧‍👦 🇻🇳 👍🏽 ❤️ ☃", "emoji😀between", "é e\u0301 Å Å ﬁ ﬀ Ω Ω", "a\u00a0b\u2003c\u3000d\u200be\u2028f\u0085g\x1fh",
    "\x00\x01\x02 \x7f", "tab\tnew\r\nline\vvt\fff", "zero\u200dwidth\u200cjoin\ufeffbom", "\ufffd \U0010ffff \ue000", "ǅ ǈ ǋ ᾼ",
    "\u0301\u0302 a", "x" * 100, "x" * 101, "the " * 60, "1" * 99, "!" * 50, "é" * 100, "猫" * 50,
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "http://example.com/a_b?c=d&e=%20#f",
    "“curly” ‘quotes’ it’s — en–dash…", "𝒜𝓁𝓅𝒽𝒶 𝟘𝟙 𐐀𐐨", "ÀÉÎÕÜ ÇÑ", "_under_score_ __init__", "unaffable playing 4k 8K 3D", "€ £ ¥ © ® ™ ° ±",
]


def fnv(ids):
    value = 0xCBF29CE484222325
    for byte in np.array(ids, dtype="<i4").tobytes():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    tokenizer = BertTokenizerLegacy(str(SHARED / "bert" / "vocab.txt"), do_lower_case=True)
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
    ids = [encode(text) for text in NASTY]
    lines = [line.split("\t")[0] for line in (SHARED / "prompts" / "PartiPrompts.tsv").read_text().split("\n")[1:] if line]
    tensors = {
        "nasty.text": np.frombuffer("".join(NASTY).encode(), np.uint8),
        "nasty.text_end": np.cumsum([len(t.encode()) for t in NASTY]).astype(np.int32),
        "nasty.ids": np.concatenate([np.array(i, np.int32) for i in ids]),
        "nasty.ids_end": np.cumsum([len(i) for i in ids]).astype(np.int32),
        "captions": np.array([fnv(encode(line)) for line in lines], np.uint64).view(np.int64),
    }
    save_tensors(tensors, HERE / "data.safetensors",
                 {"make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), "transformers": transformers.__version__})
    print(len(NASTY), len(lines), [len(i) for i in ids])


main()
