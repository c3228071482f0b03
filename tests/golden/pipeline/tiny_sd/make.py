"""A whole Stable Diffusion pipeline, tiny, with formula weights, through several samplers and modes."""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import install_noise, noise_image, run, to_bytes  # noqa: E402
from record import FLOOR, SAFETY, error, fill_weights, metadata, sample, save_tensors  # noqa: E402

HERE = Path(__file__).resolve().parent
MODEL = HERE / "model"
PROMPT, NEGATIVE = "a red apple, fluent 3d", "blurry, the end"
MERGES = ("r e", "re d</w>", "a p", "ap p", "l e</w>", "app le</w>", "f l", "u e", "n t</w>", "fl ue", "flue nt</w>",
          "t h", "th e</w>", "b l", "u r", "bl ur", "e n", "en d</w>", "r y</w>")
CONTEXT, HEIGHT, WIDTH = 16, 24, 16
SCHEDULER = {"_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
             "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "set_alpha_to_one": False,
             "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading",
             "prediction_type": "epsilon", "clip_sample": False, "trained_betas": None}
BASE = dict(prompt=PROMPT, steps=5, guidance=5.0, seed=7, height=HEIGHT, width=WIDTH)
RUNS = {name: dict(sampler=name) for name in
        ("pndm", "ddim", "ddpm", "euler", "euler_a", "heun", "dpm2", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "unipc",
         "lms", "lcm", "tcd")}
RUNS |= {
    "dpmpp_2m_karras": dict(sampler="dpmpp_2m", schedule="karras"),
    "euler_trailing": dict(sampler="euler", spacing="trailing"),
    "ddim_eta": dict(sampler="ddim", eta=0.6),
    "negative": dict(sampler="ddim", negative_prompt=NEGATIVE),
    "unguided": dict(sampler="ddim", guidance=1.0),
    "rescaled": dict(sampler="ddim", guidance=9.0, guidance_rescale=0.7),
    "clip_skip": dict(sampler="ddim", clip_skip=1),
    "two_pictures": dict(sampler="euler_a", count=2),
    "image_to_image": dict(sampler="ddim", strength=0.6, image="in.image"),
    "image_to_image_euler_a": dict(sampler="euler_a", strength=0.6, image="in.image"),
    "inpaint": dict(sampler="ddim", strength=1.0, image="in.image", mask="in.mask"),
    "inpaint_euler": dict(sampler="euler", strength=0.6, image="in.image", mask="in.mask"),
    "inpaint_euler_a": dict(sampler="euler_a", strength=0.8, image="in.image", mask="in.mask"),
}


def byte_letters():
    """GPT-2's printable letter for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def make_tokenizer(folder):
    letters = byte_letters()
    tokens = letters + [c + "</w>" for c in letters] + [m.replace(" ", "") for m in MERGES]
    vocabulary = {token: i for i, token in enumerate(tokens + ["<|startoftext|>", "<|endoftext|>"])}
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    specials = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
                "pad_token": "<|endoftext|>"}
    write_json(folder / "special_tokens_map.json", specials)
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": CONTEXT,
                                                  "do_lower_case": True, "add_prefix_space": False} | specials)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[tuple(m.split()) for m in MERGES],
                              model_max_length=CONTEXT)
    assert tokenizer(PROMPT).input_ids[3:5] == [vocabulary["apple</w>"], vocabulary[",</w>"]]
    return tokenizer, len(vocabulary)


def make_parts():
    tokenizer, vocabulary = make_tokenizer(MODEL / "tokenizer")
    text = CLIPTextConfig(vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                          num_attention_heads=2, max_position_embeddings=CONTEXT, hidden_act="quick_gelu",
                          bos_token_id=0, eos_token_id=2, pad_token_id=1, projection_dim=32,
                          attn_implementation="sdpa")
    unet = dict(sample_size=8, block_out_channels=(24, 48), norm_num_groups=8, layers_per_block=1,
                attention_head_dim=4, cross_attention_dim=32,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    vae = dict(block_out_channels=(16, 24), norm_num_groups=8, layers_per_block=1, latent_channels=4, sample_size=16,
               down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
               scaling_factor=0.5)
    parts = {"tokenizer": tokenizer, "text_encoder": fill_weights(CLIPTextModel(text), "text_model."),
             "unet": fill_weights(UNet2DConditionModel(**unet)), "vae": fill_weights(AutoencoderKL(**vae))}
    # diffusers looks for the final norm of clip_skip in text_model, which transformers 5 dropped from this class.
    object.__setattr__(parts["text_encoder"], "text_model", parts["text_encoder"])
    index = {"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", SCHEDULER["_class_name"]]}
    write_json(MODEL / "scheduler" / "scheduler_config.json", SCHEDULER)
    for name, part in parts.items():
        index[name] = [type(part).__module__.split(".")[0], type(part).__name__]
        if name == "tokenizer":
            continue
        saved = json.loads(part.config.to_json_string() if name == "text_encoder" else part.to_json_string())
        for key in ("transformers_version", "_diffusers_version"):
            saved.pop(key, None)
        if name == "text_encoder":
            saved["architectures"] = ["CLIPTextModel"]
        write_json(MODEL / name / "config.json", saved)
        prefix = "text_model." if name == "text_encoder" else ""
        shapes = {prefix + key: list(value.shape) for key, value in part.named_parameters()}
        lines = ",\n".join(f"  {json.dumps(key)}: {shape}" for key, shape in shapes.items())
        (MODEL / name / "parameters.json").write_text("{\n" + lines + "\n}\n")
    write_json(MODEL / "model_index.json", index | {"safety_checker": [None, None], "feature_extractor": [None, None]})
    return parts


def execute(parts, inputs, dtype):
    for name in ("text_encoder", "unet", "vae"):
        parts[name].to(dtype)
    results = {}
    for name, options in RUNS.items():
        options = {k: inputs.get(v, v) if isinstance(v, str) else v for k, v in options.items()}
        results[name] = run(parts, SCHEDULER, **(BASE | options))
    return results


def main():
    install_noise()
    parts = make_parts()
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[6:20, 4:14] = 255
    inputs = {"in.image": noise_image(5, HEIGHT, WIDTH), "in.mask": mask}
    exact, single = (execute(parts, inputs, dtype) for dtype in (torch.float64, torch.float32))
    tensors, runs = dict(inputs), []
    for name, (latents, decoded, steps) in exact.items():
        bounds = [error(single[name][0], latents), error(single[name][1], decoded)]
        print(f"{name}: float32 error {bounds[0]:.1e} {bounds[1]:.1e}, rms {np.sqrt(np.mean(latents**2)):.2f}")
        tensors[f"out.{name}.latents"] = latents.astype(np.float32)
        tensors[f"out.{name}.bytes"] = to_bytes(decoded)
        for i, step in enumerate(steps[:-1]):
            tensors[f"act.{name}.step_{i}"] = sample(step).astype(np.float32)
            tensors[f"norm.{name}.step_{i}"] = np.array([np.linalg.norm(step)], np.float32)
        runs.append({"name": name} | BASE | RUNS[name] | {
            "latents_tolerance": float(f"{SAFETY * max(bounds[0], FLOOR):.2g}"),
            "decoded_tolerance": float(f"{SAFETY * max(bounds[1], FLOOR):.2g}")})
    tensors["out.ddim.decoded"] = exact["ddim"][1].astype(np.float32)
    write_json(HERE / "case.json", {
        "about": "a whole Stable Diffusion pipeline, tiny: tokenizer, text encoder, UNet, samplers, guidance, VAE",
        "model": "model/: configs and tokenizer; parameters.json of a part lists the weights to fill by formula",
        "weights": "tests/golden/fill.py",
        "tensors": {"in.image": "start picture [H, W, 3] uint8", "in.mask": "[H, W] uint8, 255 = repaint",
                    "out.<run>.latents": "after the last step, NCHW", "out.<run>.bytes": "[N, H, W, 3] uint8",
                    "out.ddim.decoded": "VAE output, NCHW, not clamped",
                    "act.<run>.step_<i>": "latents after step i, sampled as in tests/golden/record.py"},
        "noise": "torch CPU generator of seed + i for picture i: first the start noise [1, C, h, w] (image-to-image: "
                 "first the noise of the VAE's posterior, then the start noise; inpainting: after these the noise of the "
                 "masked picture's posterior, drawn even where a 4-channel UNet has no use for it), then each "
                 "stochastic step's noise",
        "tolerance": {
            "meaning": "|got - want| <= tolerance x root mean square of the whole reference tensor; bytes differ by "
                       "at most 1, where the float lies on a rounding edge",
            "reason": f"{SAFETY} x the largest error of diffusers' own float32 run against its float64 run"},
        "runs": runs})
    save_tensors(tensors, HERE / "data.safetensors", metadata(__file__))
    print(f"{(HERE / 'data.safetensors').stat().st_size} bytes")


if __name__ == "__main__":
    main()
