"""Parameters of diffusers and transformers models under the names of the original single-file checkpoints.

Each function returns rows (original name, [diffusers names], change): the original tensor is the change applied to the
concatenation along the first axis of the named tensors. Changes: "", "transpose", "conv1x1" ([O, I] -> [O, I, 1, 1]).
"""
import re

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET_TOP = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0",
            "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
            "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj",
                   "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


def _unet_name(name, config):
    stem, kind = name.rsplit(".", 1)
    if stem in UNET_TOP:
        return f"{UNET_TOP[stem]}.{kind}"
    per_block = config["layers_per_block"] + 1
    side, rest = stem.split(".", 1)
    if side == "mid_block":
        part, index, tail = re.fullmatch(r"(resnets|attentions)\.(\d+)\.(.+)", rest).groups()
        block = f"middle_block.{2 * int(index) if part == 'resnets' else 1}"
    else:
        number, part, index, tail = re.fullmatch(r"(\d+)\.(\w+)\.(\d+)\.(.+)", rest).groups()
        number, index = int(number), int(index)
        if part == "downsamplers":
            return f"input_blocks.{(number + 1) * per_block}.0.op.{kind}"
        if part == "upsamplers":
            slot = 2 if "CrossAttn" in config["up_block_types"][number] else 1
            return f"output_blocks.{(number + 1) * per_block - 1}.{slot}.conv.{kind}"
        first = 1 if side == "down_blocks" else 0
        folder = "input_blocks" if first else "output_blocks"
        block = f"{folder}.{first + number * per_block + index}.{0 if part == 'resnets' else 1}"
    return f"{block}.{RESNET[tail] if part == 'resnets' else tail}.{kind}"


def unet(names, config, prefix="model.diffusion_model."):
    return [(prefix + _unet_name(name, config), [name], "") for name in names]


def _vae_name(name, config):
    stem, kind = name.rsplit(".", 1)
    stem = stem.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    attention = re.fullmatch(r"(\w+)\.mid_block\.attentions\.0\.(.+)", stem)
    if attention:
        return f"{attention[1]}.mid.attn_1.{VAE_ATTENTION[attention[2]]}.{kind}"
    stem = re.sub(r"mid_block\.resnets\.(\d+)", lambda m: f"mid.block_{int(m[1]) + 1}", stem)
    stem = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", stem)
    stem = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", stem)
    last = len(config["block_out_channels"]) - 1
    stem = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{last - int(m[1])}.block", stem)
    stem = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", stem)
    return f"{stem}.{kind}"


def vae(names, config, prefix="first_stage_model."):
    rows = []
    for name in names:
        new = _vae_name(name, config)
        linear = re.search(r"attn_1\.(q|k|v|proj_out)\.weight$", new)
        rows.append((prefix + new, [name], "conv1x1" if linear else ""))
    return rows


def clip(names, _config, prefix):
    return [(prefix + name, [name], "") for name in names]


def open_clip(names, _config, prefix):
    """transformers' CLIPTextModel[WithProjection] under OpenCLIP's names: stacked q, k, v and a transposed projection."""
    top = {"text_model.embeddings.token_embedding.weight": "token_embedding.weight",
           "text_model.embeddings.position_embedding.weight": "positional_embedding",
           "text_model.final_layer_norm.weight": "ln_final.weight",
           "text_model.final_layer_norm.bias": "ln_final.bias"}
    rows = []
    for name in names:
        if name in top:
            rows.append((prefix + top[name], [name], ""))
        elif name == "text_projection.weight":
            rows.append((prefix + "text_projection", [name], "transpose"))
        else:
            layer, stem, kind = re.fullmatch(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name).groups()
            block = f"{prefix}transformer.resblocks.{layer}."
            if stem in OPEN_CLIP_LAYER:
                rows.append((f"{block}{OPEN_CLIP_LAYER[stem]}.{kind}", [name], ""))
            elif stem == "self_attn.q_proj":
                sources = [name.replace("q_proj", part) for part in ("q_proj", "k_proj", "v_proj")]
                rows.append((f"{block}attn.in_proj_{kind}", sources, ""))
    return rows


# model -> part -> (function, prefix)
PLACES = {
    "sd15": {"unet": (unet, "model.diffusion_model."), "vae": (vae, "first_stage_model."),
             "text_encoder": (clip, "cond_stage_model.transformer.")},
    "sd21": {"unet": (unet, "model.diffusion_model."), "vae": (vae, "first_stage_model."),
             "text_encoder": (open_clip, "cond_stage_model.model.")},
    "sdxl": {"unet": (unet, "model.diffusion_model."), "vae": (vae, "first_stage_model."),
             "text_encoder": (clip, "conditioner.embedders.0.transformer."),
             "text_encoder_2": (open_clip, "conditioner.embedders.1.model.")},
}
PLACES["sdxl_turbo"] = PLACES["sdxl"]
