"""ImageReward end to end in small: Pillow's preparation, the Python WordPiece tokenizer, transformers' BLIP modules in float64.

noise and smooth: src/image/noise_test.h.
"""
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("NIBBLE_SHARED_DATA", HERE.parents[4] / "shared" / "data"))
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parents[1] / "blip"))
from common import Network  # noqa: E402
from fill import uniform  # noqa: E402
from record import save_tensors  # noqa: E402

CONFIG = {"vision": {"image": 32, "patch": 8, "width": 128, "mlp_width": 256, "layers": 2, "heads": 2},
          "text": {"vocabulary": 30524, "positions": 40, "width": 64, "mlp_width": 128, "layers": 2, "heads": 1},
          "head": [48, 32, 16, 8, 1]}
PROMPTS = ["a photo of a cat", "", "a painting of an ocean with clouds and birds, day time, low depth field effect",
           "beautiful British garden5, clear sky, unreal engine, detailed, tropical plants ,strong ambient lighting, " * 2,
           "A Hôtel — with [SEP] 猫", "same words"]
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def noise(seed, height, width, channels=3):
    return np.floor(256 * uniform(seed, height * width * channels)).astype(np.uint8).reshape(height, width, channels)


def smooth(seed, height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.floor(127.5 + 100 * np.sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + seed) + 0.5).astype(np.uint8)


PICTURES = [noise(46, 48, 64), smooth(3, 48, 64), smooth(5, 32, 32), noise(47, 63, 40, 4), noise(48, 32, 47, 1), smooth(7, 90, 60)]


def prepared(picture, size):
    """Shorter side to size (Pillow's bicubic), torchvision's centre crop, RGB, normalised."""
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    w, h = image.size
    w, h = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    image = image.resize((w, h), Image.BICUBIC)
    left, top = round((w - size) / 2), round((h - size) / 2)
    image = image.crop((left, top, left + size, top + size)).convert("RGB")
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def main():
    tokenizer = BertTokenizerLegacy(str(SHARED / "bert" / "vocab.txt"), do_lower_case=True)
    network = Network(CONFIG).double()
    rewards = []
    for picture, prompt in zip(PICTURES, PROMPTS):
        text = tokenizer(prompt, padding="max_length", truncation=True, max_length=35, return_tensors="pt")
        raw = network(prepared(picture, 32)[None].double(), text.input_ids, text.attention_mask)["raw"].item()
        rewards.append((raw - 0.16717362830052426) / 1.0333394966054072)
    tensors = {"rewards": np.array(rewards), "prompts": np.frombuffer("".join(PROMPTS).encode(), np.uint8),
               "prompt_ends": np.cumsum([len(p.encode()) for p in PROMPTS]).astype(np.int32)}
    save_tensors(tensors, HERE / "data.safetensors",
                 {"make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), "pillow": PIL.__version__,
                  "torch": torch.__version__, "transformers": transformers.__version__})
    print(rewards)


main()
