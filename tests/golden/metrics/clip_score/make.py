"""torchmetrics' CLIP score and CLIP-IQA on transformers' CLIPModel and its Pillow image processor: a tiny CLIP of formula
weights, pictures by formula, prompts of every length.

torchmetrics is not among the usual packages: pip install --target DIR torchmetrics==1.9.0 lightning-utilities, then run
with PYTHONPATH=DIR. noise and smooth: src/image/noise_test.h.
"""
import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torchmetrics
import transformers
from torchmetrics.functional.multimodal import clip_image_quality_assessment
from torchmetrics.functional.multimodal.clip_score import _clip_score_update
from torchmetrics.multimodal import CLIPScore
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path.insert(0, str(HERE.parents[1]))
from fill import uniform  # noqa: E402
from record import fill_weights, save_tensors  # noqa: E402

LONG = "beautiful British garden5, clear sky, unreal engine, detailed, tropical plants ,strong ambient lighting, " * 4
PROMPTS = ["a photo of a cat", "", "A cat holding a sign that says hello world", "it's 2024 &amp; 4-bit!",
           "word " * 75, "word " * 76, LONG, LONG + "and a house"]
PAIRS = ("quality", "sharpness", "relaxing")  # with data_range 1 and whole numbers 0…255: other ranges are scaled twice


def noise(seed, height, width):
    return np.floor(256 * uniform(seed, height * width * 3)).astype(np.uint8).reshape(height, width, 3)


def smooth(seed, height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return np.floor(127.5 + 100 * np.sin(0.05 * (c + 1) * x + 0.03 * y * (3 - c) + seed) + 0.5).astype(np.uint8)


# The last two have an odd margin of the crop.
PICTURES = [noise(46, 48, 64), smooth(3, 48, 64), smooth(5, 32, 32), noise(47, 31, 50), smooth(7, 90, 60),
            noise(48, 32, 47), smooth(9, 65, 48), smooth(1, 47, 32)]


def tokenizer():
    """transformers' tokenizer from OpenAI's published merges."""
    lines = gzip.open(ROOT / "data/clip/bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
    merges = lines[1:49152 - 256 - 2 + 1]
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(c) for c in own] + [chr(256 + i) for i in range(256 - len(own))]
    words = letters + [c + "</w>" for c in letters] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
        (Path(folder) / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
        return CLIPTokenizer.from_pretrained(folder)


class Processor:
    def __init__(self, size):
        self.tokenizer = tokenizer()
        self.images = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})

    def __call__(self, text=None, images=None, return_tensors=None, padding=False):
        if text is not None:
            return self.tokenizer(text, return_tensors=return_tensors, padding=padding)
        return self.images(images, return_tensors=return_tensors)


class Vectors:
    """The model whose get_…_features give tensors, as torchmetrics expects them."""

    def __init__(self, model):
        self.model, self.config = model, model.config

    def to(self, _device):
        return self

    @staticmethod
    def tensor(found):
        return found if torch.is_tensor(found) else found.pooler_output

    def get_image_features(self, pixels):
        return self.tensor(self.model.get_image_features(pixel_values=pixels))

    def get_text_features(self, ids, mask):
        return self.tensor(self.model.get_text_features(input_ids=ids, attention_mask=mask))


def main():
    tower = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, hidden_act="quick_gelu")
    config = CLIPConfig(text_config=dict(tower, vocab_size=49408, max_position_embeddings=77, eos_token_id=2, bos_token_id=0),
                        vision_config=dict(tower, image_size=32, patch_size=8), projection_dim=24)
    model = Vectors(fill_weights(CLIPModel(config)))
    processor = Processor(32)
    choice = lambda *_: (model, processor)
    pictures = [torch.from_numpy(p.transpose(2, 0, 1).copy()) for p in PICTURES]
    with torch.inference_mode():
        scores = _clip_score_update(pictures, PROMPTS, model, processor)[0].tolist()
    whole = [CLIPScore(choice)(pictures[:n], PROMPTS[:n]).item() for n in (3, len(PROMPTS))]
    sys.modules[clip_image_quality_assessment.__module__]._get_clip_iqa_model_and_processor = choice
    iqa = [clip_image_quality_assessment(p[None].float(), "openai/clip-vit-base-patch16", prompts=PAIRS) for p in pictures]
    with torch.inference_mode():
        raw = [model.get_image_features(processor(images=[p], return_tensors="pt")["pixel_values"])[0] for p in pictures]
    ends = np.cumsum([len(p.encode()) for p in PROMPTS])
    tensors = {"scores": np.array(scores, np.float32), "means": np.array(whole, np.float32),
               "iqa": np.array([[float(row[name]) for name in PAIRS] for row in iqa], np.float32),
               "picture_vectors": torch.stack(raw).numpy(),
               "prompts": np.frombuffer("".join(PROMPTS).encode(), np.uint8), "prompt_ends": ends.astype(np.int32)}
    about = {"make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), "torch": torch.__version__,
             "transformers": transformers.__version__, "torchmetrics": torchmetrics.__version__}
    save_tensors(tensors, HERE / "data.safetensors", about)
    print(scores, whole, tensors["iqa"], tensors["picture_vectors"][:, :4])


main()
