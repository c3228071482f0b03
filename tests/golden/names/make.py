"""Parameter names of single-file Stable Diffusion checkpoints beside diffusers' names, as diffusers' own loader maps them,
with the shapes of the full-size networks and the configs of the reference folders; and tiny tensors through the same loader."""

import hashlib
import json
import os
import pathlib

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as loader
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

import original

here = pathlib.Path(__file__).parent
cross, plain = ["CrossAttnDownBlock2D"], ["DownBlock2D"]
upcross, upplain = ["CrossAttnUpBlock2D"], ["UpBlock2D"]
condition = dict(addition_embed_type="text_time", addition_time_embed_dim=256, use_linear_projection=True, upcast_attention=None)

# What the published folders say (stable-diffusion-v1-5, stable-diffusion-2-1, stable-diffusion-xl-base-1.0, -refiner-1.0).
unets = {
    "sd1": dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=[320, 640, 1280, 1280],
                down_block_types=cross * 3 + plain, up_block_types=upplain + upcross * 3),
    "sd2": dict(sample_size=96, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True,
                block_out_channels=[320, 640, 1280, 1280], upcast_attention=True,
                down_block_types=cross * 3 + plain, up_block_types=upplain + upcross * 3),
    "sdxl": dict(sample_size=128, cross_attention_dim=2048, attention_head_dim=[5, 10, 20], block_out_channels=[320, 640, 1280],
                 down_block_types=plain + cross * 2, up_block_types=upcross * 2 + upplain, transformer_layers_per_block=[1, 2, 10],
                 projection_class_embeddings_input_dim=2816, **condition),
    "sdxl-refiner": dict(sample_size=128, cross_attention_dim=1280, attention_head_dim=[6, 12, 24, 24],
                         block_out_channels=[384, 768, 1536, 1536], down_block_types=plain + cross * 2 + plain,
                         up_block_types=upplain + upcross * 2 + upplain, transformer_layers_per_block=4,
                         projection_class_embeddings_input_dim=2560, **condition),
}
originals = {
    "sd1": original.unet(4, 2, {0, 1, 2}, [1, 1, 1, 1], 1, False),
    "sd2": original.unet(4, 2, {0, 1, 2}, [1, 1, 1, 1], 1, False),
    "sdxl": original.unet(3, 2, {1, 2}, [0, 2, 10], 10, True),
    "sdxl-refiner": original.unet(4, 2, {1, 2}, [0, 4, 4, 0], 4, True),
}
vae = dict(block_out_channels=[128, 256, 512, 512], down_block_types=["DownEncoderBlock2D"] * 4,
           up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, layers_per_block=2)
vaes = {"sd1": dict(vae, sample_size=512), "sd2": dict(vae, sample_size=768),
        "sdxl": dict(vae, sample_size=1024, scaling_factor=0.13025)}
vaes["sdxl-refiner"] = vaes["sdxl"]
clip = dict(bos_token_id=0, eos_token_id=2, pad_token_id=1, vocab_size=49408, max_position_embeddings=77, layer_norm_eps=1e-5)
clip_l = dict(clip, hidden_act="quick_gelu", hidden_size=768, intermediate_size=3072, num_attention_heads=12,
              num_hidden_layers=12, projection_dim=768)
clip_h = dict(clip, hidden_act="gelu", hidden_size=1024, intermediate_size=4096, num_attention_heads=16,
              num_hidden_layers=23, projection_dim=512)
clip_g = dict(clip, hidden_act="gelu", hidden_size=1280, intermediate_size=5120, num_attention_heads=20,
              num_hidden_layers=32, projection_dim=1280)
encoders = {  # part: (config, prefix, original layers; 0: transformers' own names)
    "sd1": {"text_encoder": (clip_l, "cond_stage_model.transformer.", 0)},
    "sd2": {"text_encoder": (clip_h, "cond_stage_model.model.", 24)},
    "sdxl": {"text_encoder": (clip_l, "conditioner.embedders.0.transformer.", 0),
             "text_encoder_2": (clip_g, "conditioner.embedders.1.model.", 32)},
    "sdxl-refiner": {"text_encoder_2": (clip_g, "conditioner.embedders.0.model.", 32)},
}


class Name(str):
    """A checkpoint entry that remembers its name on the way through the loader."""
    shape = (1,)


def candidates(modules):
    for module in modules:
        stem = module.rstrip("?!")
        yield stem + ".weight"
        if not module.endswith("!"):
            yield stem + ".bias"


def module_rows(modules, convert, config, model):
    """(original, diffusers, shape of the original) for every parameter; a "?" module counts when the model has it."""
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    mapped = convert({name: Name(name) for name in candidates(modules)}, config)
    optional = {m.rstrip("?") for m in modules if m.endswith("?")}
    mapped = {new: old for new, old in mapped.items() if new in shapes or old.rsplit(".", 1)[0] not in optional}
    assert set(mapped) == set(shapes), sorted(set(mapped) ^ set(shapes))[:8]
    rows = []
    for new, old in mapped.items():
        shape = shapes[new]
        if ".attn_1." in old and len(shape) == 2:
            shape = shape + [1, 1]  # the original's attention is of 1x1 convolutions
        rows.append((str(old), new, shape))
    return rows


def clip_rows(config, prefix, layers):
    with torch.device("meta"):
        model = CLIPTextModelWithProjection(CLIPTextConfig(**config))
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    if layers == 0:
        return [(prefix + name, name, shape) for name, shape in shapes.items() if name != "text_projection.weight"]
    # Tensors that hold their own number tell where the loader took each result from.
    names = original.open_clip(prefix, layers)
    marked = {name: torch.full((3, 1) if "in_proj" in name else (1, 1), float(i)) for i, name in enumerate(names)}
    mapped = loader.convert_open_clip_checkpoint(model, marked, prefix=prefix)
    sources = {new: names[int(value.flatten()[0])] for new, value in mapped.items()}
    rows = []
    for new, old in sources.items():
        shape = shapes[new]
        if "in_proj" in old:
            shape = [3 * shape[0]] + shape[1:]
        rows.append((old, new, shape))
    return rows + [(name, "-", [1]) for name in names if name not in sources.values()]


def front_coded(rows):
    """One row a line: characters shared with the line above and the rest, for both names, then the shape."""
    lines, before = [], ("", "")
    for old, new, shape in sorted(rows):
        cells = []
        for name, above in ((old, before[0]), (new, before[1])):
            shared = len(os.path.commonprefix([name, above]))
            cells.append(f"{shared}:{name[shared:]}")
        lines.append(" ".join(cells) + " " + "x".join(map(str, shape)))
        before = (old, new)
    return "\n".join(lines) + "\n"


def tiny_tensors():
    """Small random tensors of one checkpoint per naming, and what the loader makes of them."""
    generator = torch.Generator().manual_seed(11)
    data = {}

    def add(case, names, convert):
        checkpoint = {}
        for name in names:
            shape = (12, 4) if name.endswith("in_proj_weight") else (12,) if name.endswith("in_proj_bias") else (4, 4)
            if name.endswith("bias"):
                shape = shape[:1]
            if ".attn_1." in name and name.endswith("weight") and ".norm." not in name:
                shape = (4, 4, 1, 1)
            checkpoint[name] = torch.randn(shape, generator=generator).half()
        data.update({f"{case}/original/{name}": value.clone() for name, value in checkpoint.items()})
        data.update({f"{case}/diffusers/{name}": value.contiguous() for name, value in convert(checkpoint).items()})

    add("unet", candidates(n.replace("?", "") for n in original.unet(2, 1, {1}, [0, 2], 1, True)),
        lambda c: loader.convert_ldm_unet_checkpoint(c, {"layers_per_block": 1, "addition_embed_type": "text_time"}))
    add("vae", candidates(n.replace("?", "") for n in original.vae(2, 1)),
        lambda c: loader.convert_ldm_vae_checkpoint(c, {"down_block_types": [0] * 2, "up_block_types": [0] * 2}))
    model = CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=4, num_attention_heads=1, num_hidden_layers=1, intermediate_size=4))
    for case, prefix, layers in (("open_clip", "conditioner.embedders.1.model.", 2), ("open_clip_23", "cond_stage_model.model.", 24)):
        add(case, original.open_clip(prefix, layers), lambda c, p=prefix: loader.convert_open_clip_checkpoint(model, c, prefix=p))
    return data


def main():
    os.chdir(here)
    configs = {"defaults": {}}
    for family in unets:
        with torch.device("meta"):
            unet = UNet2DConditionModel(**unets[family])
            autoencoder = AutoencoderKL(**vaes[family])
        rows = module_rows(originals[family], loader.convert_ldm_unet_checkpoint, unet.config, unet)
        rows += module_rows(original.vae(4, 2), loader.convert_ldm_vae_checkpoint, autoencoder.config, autoencoder)
        for config, prefix, layers in encoders[family].values():
            rows += clip_rows(config, prefix, layers)
        pathlib.Path(f"{family}.txt").write_text(front_coded(rows))
        configs[family] = {"unet": public(unet), "vae": public(autoencoder),
                           **{part: config for part, (config, _, _) in encoders[family].items()}}
    with torch.device("meta"):
        configs["defaults"] = {"unet": public(UNet2DConditionModel(block_out_channels=[32] * 4)), "vae": public(AutoencoderKL(block_out_channels=[32]))}
    configs["sha256 of make.py"] = hashlib.sha256(pathlib.Path("make.py").read_bytes()).hexdigest()
    configs["versions"] = f"diffusers {diffusers.__version__}, transformers {transformers.__version__}, torch {torch.__version__}"
    pathlib.Path("configs.json").write_text(json.dumps(configs, indent=1, sort_keys=True) + "\n")
    save_file(tiny_tensors(), "data.safetensors", {"make.py": configs["sha256 of make.py"], "versions": configs["versions"]})


def public(model):
    return {key: value for key, value in dict(model.config).items() if not key.startswith("_")}


main()
