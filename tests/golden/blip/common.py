"""ImageReward's network out of transformers' BLIP modules, with weights by formula under ImageReward's own names."""
import re
import sys
from pathlib import Path

import torch
from transformers import BlipTextConfig, BlipVisionConfig, BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fill import fill  # noqa: E402

RENAMES = [
    (r"^visual\.embeddings\.class_embedding", "blip.visual_encoder.cls_token"),
    (r"^visual\.embeddings\.position_embedding", "blip.visual_encoder.pos_embed"),
    (r"^visual\.embeddings\.patch_embedding", "blip.visual_encoder.patch_embed.proj"),
    (r"^visual\.post_layernorm", "blip.visual_encoder.norm"),
    (r"^visual\.encoder\.layers\.(\d+)\.layer_norm(\d)", r"blip.visual_encoder.blocks.\1.norm\2"),
    (r"^visual\.encoder\.layers\.(\d+)\.self_attn\.projection", r"blip.visual_encoder.blocks.\1.attn.proj"),
    (r"^visual\.encoder\.layers\.(\d+)\.self_attn", r"blip.visual_encoder.blocks.\1.attn"),
    (r"^visual\.encoder\.layers\.(\d+)", r"blip.visual_encoder.blocks.\1"),
    (r"^text\.", "blip.text_encoder."),
]


def published(name):
    for pattern, to in RENAMES:
        if re.search(pattern, name):
            return re.sub(pattern, to, name)
    return name


class Head(torch.nn.Module):
    def __init__(self, width, sizes):
        super().__init__()
        places = (0, 2, 4, 6, 7)
        self.layers = torch.nn.ModuleDict()
        for place, size in zip(places, sizes):
            self.layers[str(place)] = torch.nn.Linear(width, size)
            width = size

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return x


class Network(torch.nn.Module):
    """config: {"vision": {...}, "text": {...}, "head": [sizes]} as models::BlipConfig names them."""

    def __init__(self, config):
        super().__init__()
        v, t = config["vision"], config["text"]
        self.visual = BlipVisionModel(BlipVisionConfig(
            hidden_size=v["width"], intermediate_size=v["mlp_width"], num_hidden_layers=v["layers"],
            num_attention_heads=v["heads"], image_size=v["image"], patch_size=v["patch"], hidden_act="gelu",
            layer_norm_eps=1e-6))
        self.text = BlipTextModel(BlipTextConfig(
            vocab_size=t["vocabulary"], hidden_size=t["width"], encoder_hidden_size=v["width"],
            intermediate_size=t["mlp_width"], num_hidden_layers=t["layers"], num_attention_heads=t["heads"],
            max_position_embeddings=t["positions"], hidden_act="gelu", layer_norm_eps=1e-12, is_decoder=True),
            add_pooling_layer=False)
        self.mlp = Head(t["width"], config["head"])
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(torch.from_numpy(fill(published(name), tuple(parameter.shape))))
        self.eval().requires_grad_(False)

    def forward(self, pixels, ids, mask):
        seen = self.visual(pixels).last_hidden_state
        everywhere = torch.ones(seen.shape[:2], dtype=torch.long)
        hidden = self.text(input_ids=ids, attention_mask=mask, encoder_hidden_states=seen,
                           encoder_attention_mask=everywhere, is_decoder=False).last_hidden_state
        return {"picture": seen, "text": hidden, "raw": self.mlp(hidden[:, 0])}
