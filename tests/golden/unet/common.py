"""What the UNet cases share."""
import json
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import EPS, fill_weights, gaussian, write_case  # noqa: E402

_SAMPLERS = r"(down|up)samplers\.0"
_ATTENTION = r"attentions\.\d+(\.(norm|proj_in|transformer_blocks\.\d+(\.(attn1|attn2|ff))?))?"
PATTERN = (r"conv_in|time_proj|time_embedding|add_embedding|conv_norm_out|conv_out|mid_block"
           rf"|(down_blocks\.\d+|up_blocks\.\d+|mid_block)\.(resnets\.\d+|{_ATTENTION}|{_SAMPLERS})")
NOTES = {
    "sample": "latents, NCHW",
    "timestep": "one per picture",
    "encoder_hidden_states": "text, N tokens channels",
    "text_embeds": "added_cond_kwargs: pooled text",
    "time_ids": "added_cond_kwargs: sizes and crops",
    "timestep_cond": "embedding of the guidance scale, added to the time features by time_embedding.cond_proj",
    "down_block_additional_residuals": "ControlNet residuals, in the order of the skip connections",
    "mid_block_additional_residual": "ControlNet residual of the middle block",
    "out": "the predicted noise (or v), NCHW",
}
SD = dict(sample_size=16, norm_num_groups=8, layers_per_block=2)


def forward(model, inputs):
    inputs = dict(inputs)
    added = {k: inputs.pop(k) for k in ("text_embeds", "time_ids") if k in inputs}
    return {"out": model(**inputs, added_cond_kwargs=added or None).sample}


def residuals(model, inputs, seed):
    """Random residuals in the shapes a ControlNet for this model gives."""
    shapes = []
    keep = lambda _m, _i, out: shapes.extend(tuple(r.shape) for r in out[1])
    first = model.conv_in.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape)))
    handles = [first] + [block.register_forward_hook(keep) for block in model.down_blocks]
    middle = []
    handles.append(model.mid_block.register_forward_hook(lambda _m, _i, out: middle.append(tuple(out.shape))))
    with torch.inference_mode():
        forward(model, inputs)
    for handle in handles:
        handle.remove()
    return {"down_block_additional_residuals": [0.5 * gaussian(seed + i, *s) for i, s in enumerate(shapes)],
            "mid_block_additional_residual": 0.5 * gaussian(seed - 1, *middle[0])}


def make(make_file, about, *, size, timestep, tokens, seed, time_ids=None, pooled=0, timestep_cond=False,
         with_residuals=False, **config):
    model = fill_weights(UNet2DConditionModel(**(SD | config)))
    batch = len(timestep)
    inputs = {"sample": gaussian(seed, batch, model.config.in_channels, *size),
              "timestep": torch.tensor(timestep),
              "encoder_hidden_states": gaussian(seed + 1, batch, tokens, model.config.cross_attention_dim)}
    if time_ids:
        inputs |= {"text_embeds": gaussian(seed + 2, batch, pooled), "time_ids": torch.tensor(time_ids)}
    if timestep_cond:
        inputs["timestep_cond"] = gaussian(seed + 3, batch, model.config.time_cond_proj_dim)
    if with_residuals:
        inputs |= residuals(model, inputs, seed + 100)
    saved = json.loads(model.to_json_string())
    saved.pop("_diffusers_version", None)
    angle = max([max(timestep)] + [max(row) for row in time_ids or []])
    write_case(make_file, model=model, forward=forward, inputs=inputs, config=saved, about=about, notes=NOTES,
               pattern=PATTERN, extra_error=angle * EPS,
               extra_reason=f", plus {angle} x 2^-23, one rounding of the largest angle of the sinusoidal embedding "
                            "(diffusers computes angles in float32 in both passes)")
