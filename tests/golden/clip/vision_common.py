"""What the CLIP vision tower cases share."""
import json
import sys
from pathlib import Path

from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import fill_weights, gaussian, write_case  # noqa: E402

PATTERN = (r"visual_projection|vision_model\.(embeddings|pre_layrnorm|post_layernorm|encoder\.layers\.\d+"
           r"|encoder\.layers\.0\.(layer_norm[12]|self_attn|mlp))")
NOTES = {
    "pixel_values": "normalised pixels, NCHW",
    "last_hidden_state": "of the last layer, before the final layer norm",
    "image_embeds": "visual_projection of the class token behind the final layer norm",
}


def forward(model, inputs):
    result = model(inputs["pixel_values"])
    return {"last_hidden_state": result.last_hidden_state, "image_embeds": result.image_embeds}


def make(make_file, about, *, seed, **config):
    config = CLIPVisionConfig(attn_implementation="sdpa", **config)
    model = CLIPVisionModelWithProjection(config)
    fill_weights(model)
    model.config.architectures = [type(model).__name__]
    saved = json.loads(model.config.to_json_string())
    saved.pop("transformers_version", None)
    pixels = gaussian(seed, 2, 3, config.image_size, config.image_size)
    write_case(make_file, model=model, forward=forward, inputs={"pixel_values": pixels}, config=saved, about=about,
               notes=NOTES, pattern=PATTERN)
