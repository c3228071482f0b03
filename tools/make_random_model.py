#!/usr/bin/env python3
"""Builds full-size Stable Diffusion models with seeded random weights, for tests of loading, memory and speed.

    tools/make_random_model.py sd15                        folder, single file and reference outputs
    tools/make_random_model.py sdxl --no-reference --dtype fp16
    tools/make_random_model.py sdxl --reference-only       goes on with the references of a written model
    tools/make_random_model.py sd15 --tiny --out DIR       the same shapes of names, narrow layers: seconds, a few MB

Written to $NIBBLE_CACHE/random/<name>/ unless --out is given:
    diffusers/               model_index.json and one folder per part, as published
    <name>.safetensors       the original single-file naming
    reference.safetensors    inputs and outputs of one pass of each part in float32 and in bfloat16 (see --help)

The weights are streamed tensor by tensor, so building needs little memory; the references load one part at a time
(SDXL's UNet needs about 11 GB in float32). Weights: normal with variance 1 / fan_in, norm weights 1 + 0.1 n, biases
0.02 n, from a generator seeded by --seed and the parameter's name. The tokenizer's vocabulary is made from
bpe_simple_vocab_16e6.txt.gz under $NIBBLE_SHARED_DATA/clip if that is there.
"""
import argparse
import gzip
import hashlib
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path

import torch
from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "tools" / "configs"
sys.path.insert(0, str(ROOT / "tools"))
import original_names  # noqa: E402

DTYPES = {"fp16": (torch.float16, "F16"), "fp32": (torch.float32, "F32"), "bf16": (torch.bfloat16, "BF16")}
LAST_OPEN_CLIP_LAYER = {"sd21": 23}  # SD 2.x's single file keeps the layer that the diffusers folder leaves out


def read_json(path):
    return json.loads(path.read_text())


def shared_data():
    return Path(os.environ.get("NIBBLE_SHARED_DATA", ROOT.parent / "shared" / "data"))


def narrow(config):
    """The same structure with few channels."""
    config = dict(config)
    if config.get("_class_name") == "UNet2DConditionModel":
        config["block_out_channels"] = [c // 10 for c in config["block_out_channels"]]
        config["cross_attention_dim"] //= 16
        config["norm_num_groups"] = 8
        heads = config["attention_head_dim"]
        config["attention_head_dim"] = [2] * len(config["block_out_channels"]) if isinstance(heads, list) else 4
        if "addition_time_embed_dim" in config:
            config |= {"addition_time_embed_dim": 32, "projection_class_embeddings_input_dim": 6 * 32 + 80}
        if "transformer_layers_per_block" in config:
            config["transformer_layers_per_block"] = [1, 1, 2]
    elif config.get("_class_name") == "AutoencoderKL":
        config |= {"block_out_channels": [c // 8 for c in config["block_out_channels"]], "norm_num_groups": 8}
    else:
        config |= {"num_hidden_layers": 2 if config["num_hidden_layers"] != 23 else 3, "num_attention_heads": 4,
                   "hidden_size": config["hidden_size"] // 16, "intermediate_size": config["intermediate_size"] // 16,
                   "projection_dim": config["projection_dim"] // 16}
    return config


def build(part_class, config):
    """A model of the reference library without memory for its weights."""
    import diffusers
    import transformers
    with torch.device("meta"):
        if hasattr(diffusers, part_class):
            kind = getattr(diffusers, part_class)
            return kind.from_config(config)
        return getattr(transformers, part_class)(transformers.CLIPTextConfig(**config))


def parameters(part_class, config):
    """{checkpoint name: shape}"""
    prefix = "text_model." if part_class == "CLIPTextModel" else ""
    return {prefix + name: tuple(value.shape) for name, value in build(part_class, config).named_parameters()}


def random_weight(seed, part, name, shape):
    key = hashlib.sha256(f"{seed}/{part}/{name}".encode()).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(key[:7], "little"))
    values = torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return values * 0.02
    if len(shape) < 2:
        return 1 + 0.1 * values
    if "embedding.weight" in name:
        return values * 0.02
    return values * (1 / math.sqrt(math.prod(shape[1:])))


def write_stream(path, shapes, get, dtype, about):
    """A safetensors file written tensor by tensor; get(name) gives the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind, code = DTYPES[dtype]
    header, offset = {"__metadata__": about}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * torch.empty(0, dtype=kind).element_size()
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in shapes:
            values = get(name).to(kind).contiguous()
            file.write(values.reshape(-1).view(torch.uint8).numpy().data)
    partial.replace(path)


def describe(options, folder):
    """{part: (class, config, shapes, weight file)}"""
    source, parts = CONFIGS / options.name, {}
    for part, entry in read_json(source / "model_index.json").items():
        if not isinstance(entry, list) or not (source / part / "config.json").is_file():
            continue
        config = read_json(source / part / "config.json")
        config = narrow(config) if options.tiny else config
        name = "model" if entry[0] == "transformers" else "diffusion_pytorch_model"
        parts[part] = (entry[1], config, parameters(entry[1], config), folder / part / f"{name}.safetensors")
    return parts


def write_folder(options, folder, parts):
    """The diffusers layout."""
    source = CONFIGS / options.name
    for path in source.rglob("*.json"):
        (folder / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.relative_to(source))
    for part, (_, config, shapes, path) in parts.items():
        (folder / part / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        start = time.time()
        write_stream(path, shapes, lambda n, p=part, s=shapes: random_weight(options.seed, p, n, s[n]), options.dtype,
                     {"format": "pt"})
        print(f"{part}: {sum(map(math.prod, shapes.values())):,} parameters, {time.time() - start:.0f} s", flush=True)
    write_tokenizers(folder)


def write_tokenizers(folder):
    archive = shared_data() / "clip" / "bpe_simple_vocab_16e6.txt.gz"
    if not archive.is_file():
        print(f"no tokenizer vocabulary: {archive.name} not found, set NIBBLE_SHARED_DATA", file=sys.stderr)
        return
    merges = gzip.open(archive, "rt", encoding="utf-8").read().split("\n")[1:49152 - 256 - 2 + 1]
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]
    tokens = letters + [c + "</w>" for c in letters] + [m.replace(" ", "") for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    for config in folder.glob("tokenizer*/tokenizer_config.json"):
        vocabulary = json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False)
        (config.parent / "vocab.json").write_text(vocabulary, encoding="utf-8")
        text = "#version: 0.2\n" + "\n".join(merges) + "\n"
        (config.parent / "merges.txt").write_text(text, encoding="utf-8")


def original_tensors(options, parts):
    """{original name: (shape, get)} of the single file."""
    found = {}
    for part, (_, config, shapes, path) in parts.items():
        rename, prefix = original_names.PLACES[options.name][part]
        file = safe_open(path, "pt")
        for name, sources, change in rename(list(shapes), config, prefix):
            shape = list(shapes[sources[0]])
            shape[0] *= len(sources)
            shape = {"": shape, "transpose": shape[::-1], "conv1x1": shape + [1, 1]}[change]

            def get(file=file, sources=sources, change=change, shape=shape):
                values = torch.cat([file.get_tensor(source) for source in sources])
                return values.T if change == "transpose" else values.reshape(shape)

            assert name not in found, name
            found[name] = (shape, get)
        if rename is original_names.open_clip:
            found |= extra_open_clip(options, part, config, prefix)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    found["betas"] = ([1000], lambda: betas.float())
    found["alphas_cumprod"] = ([1000], lambda: torch.cumprod(1 - betas, 0).float())
    return found


def extra_open_clip(options, part, config, prefix):
    """What an OpenCLIP checkpoint has beyond the transformers model: the scale, SD 2.x's last layer and projection."""
    extra = {prefix + "logit_scale": ([], lambda: torch.tensor(4.6052))}
    if options.name not in LAST_OPEN_CLIP_LAYER:
        return extra
    width, inner = config["hidden_size"], config["intermediate_size"]
    layer = f"transformer.resblocks.{config['num_hidden_layers']}."
    shapes = {f"{layer}ln_{i}.{kind}": [width] for i in (1, 2) for kind in ("weight", "bias")}
    shapes |= {layer + "attn.in_proj_weight": [3 * width, width], layer + "attn.in_proj_bias": [3 * width],
               layer + "attn.out_proj.weight": [width, width], layer + "attn.out_proj.bias": [width],
               layer + "mlp.c_fc.weight": [inner, width], layer + "mlp.c_fc.bias": [inner],
               layer + "mlp.c_proj.weight": [width, inner], layer + "mlp.c_proj.bias": [width],
               "text_projection": [width, width]}
    for name, shape in shapes.items():
        extra[prefix + name] = (shape, lambda n=name, s=shape: random_weight(options.seed, part, n, s))
    return extra


def load(parts, part, dtype):
    """The part with its weights, from the written folder, in `dtype`."""
    part_class, config, shapes, path = parts[part]
    model = build(part_class, config).to(dtype).to_empty(device="cpu").eval().requires_grad_(False)
    prefix = "text_model." if part_class == "CLIPTextModel" else ""
    targets = {prefix + name: value for name, value in model.named_parameters()}
    with safe_open(path, "pt") as file:
        for name in shapes:
            targets[name].copy_(file.get_tensor(name))
    if hasattr(model, "text_model") or part_class == "CLIPTextModel":
        embeddings = getattr(model, "text_model", model).embeddings
        embeddings.position_ids = torch.arange(config["max_position_embeddings"])[None]
    return model


def reference_passes(parts, size, seed):
    """{part: (inputs, forward)}; inputs are float32 or integers."""
    draw = lambda k, *shape: torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed + k))
    unet, passes = parts["unet"][1], {}
    inputs = {"sample": draw(1, 1, unet["in_channels"], size // 8, size // 8), "timestep": torch.tensor([501]),
              "encoder_hidden_states": draw(2, 1, 77, unet["cross_attention_dim"])}
    if unet.get("addition_embed_type") == "text_time":
        pooled = unet["projection_class_embeddings_input_dim"] - 6 * unet["addition_time_embed_dim"]
        inputs |= {"text_embeds": draw(3, 1, pooled), "time_ids": torch.tensor([[size, size, 0, 0, size, size]]).float()}

    def run_unet(model, sample, timestep, encoder_hidden_states, **added):
        return {"sample": model(sample, timestep, encoder_hidden_states, added_cond_kwargs=added).sample}

    def run_vae(model, image, latents):
        return {"moments": model.encode(image).latent_dist.parameters, "decoded": model.decode(latents).sample}

    def run_text(model, input_ids):
        out = model(input_ids, output_hidden_states=True)
        found = {"last_hidden_state": out.last_hidden_state, "penultimate": out.hidden_states[-2]}
        return found | ({"text_embeds": out.text_embeds} if hasattr(out, "text_embeds") else {})

    passes["unet"] = (inputs, run_unet)
    passes["vae"] = ({"image": (0.6 * draw(4, 1, 3, size, size)).clamp(-1, 1),
                      "latents": 2 * draw(5, 1, parts["vae"][1]["latent_channels"], size // 8, size // 8)}, run_vae)
    words = [320, 736, 3055, 267, 41281, 1120, 323]
    ids = torch.tensor([[49406] + words + [49407] * (77 - 1 - len(words))])
    passes |= {part: ({"input_ids": ids.clone()}, run_text) for part in parts if part.startswith("text_encoder")}
    return passes


def write_reference(options, parts, path):
    from safetensors.torch import load_file, save_file
    partial, tensors = path.with_suffix(".partial"), {}
    about = {"size": str(options.size), "torch": torch.__version__, "weights": options.dtype}
    if partial.is_file():
        tensors = load_file(partial)
        with safe_open(partial, "pt") as file:
            about |= file.metadata()
        if about["size"] != str(options.size) or about["weights"] != options.dtype:
            sys.exit(f"{partial}: begun with --size {about['size']} --dtype {about['weights']}; remove it or use the same")
    for part, (inputs, forward) in reference_passes(parts, options.size, options.seed + 1000).items():
        tensors |= {f"in.{part}.{key}": value for key, value in inputs.items()}
        for label, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            if f"{part}.{label}.seconds" in about or (label == "bf16" and options.no_bf16):
                continue
            model = load(parts, part, dtype)
            cast = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
            start = time.time()
            with torch.inference_mode():
                outputs = forward(model, **cast)
            about[f"{part}.{label}.seconds"] = f"{time.time() - start:.2f}"
            print(f"{part} {label}: {time.time() - start:.1f} s", flush=True)
            tensors |= {f"out.{part}.{key}.{label}": value.float().contiguous() for key, value in outputs.items()}
            del model
            fresh = partial.with_suffix(".fresh")
            save_file(tensors, fresh, metadata=about)
            fresh.replace(partial)
    partial.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(path.name for path in CONFIGS.iterdir()))
    parser.add_argument("--dtype", choices=DTYPES, default="fp16", help="of the stored weights")
    parser.add_argument("--out", type=Path, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=256, help="picture size of the reference passes")
    parser.add_argument("--tiny", action="store_true", help="narrow layers instead of full size")
    parser.add_argument("--no-single-file", action="store_true")
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--reference-only", action="store_true", help="the weights are there already")
    parser.add_argument("--no-bf16", action="store_true", help="only float32 references (bfloat16 is slow on old CPUs)")
    options = parser.parse_args()
    cache = Path(os.environ.get("NIBBLE_CACHE", Path.home() / ".cache" / "nibble"))
    out = options.out or cache / "random" / (options.name + ("_tiny" if options.tiny else ""))
    parts = describe(options, out / "diffusers")
    if not options.reference_only:
        write_folder(options, out / "diffusers", parts)
    if not options.no_single_file and not options.reference_only:
        found = original_tensors(options, parts)
        write_stream(out / f"{options.name}.safetensors", {name: shape for name, (shape, _) in found.items()},
                     lambda name: found[name][1](), options.dtype, {"format": "pt"})
    if not options.no_reference:
        write_reference(options, parts, out / "reference.safetensors")
    print(out)


if __name__ == "__main__":
    main()
