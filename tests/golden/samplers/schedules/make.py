"""Timesteps and noise levels of every sampler over many settings, and what classifier-free guidance makes of them.

    cases                 U8, JSON: [{sampler, config, steps, schedule?, spacing?}]
    timesteps, sigmas     of all cases in a row; counts holds how many of each a case has
    betas                 U8, JSON: the settings of the rows of alphas_cumprod
    alphas_cumprod        every 37th value of each row, and the last
    guidance.*            negative, positive -> combined at scale 7.5, rescaled by 0.7
"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, HeunDiscreteScheduler
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parents[1]))
from record import metadata, save_tensors  # noqa: E402
from reference import CLASSES, make  # noqa: E402

SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
      "steps_offset": 1, "skip_prk_steps": True}
SPREAD = ("euler", "heun", "dpm2", "dpm2_a", "dpmpp_2m", "dpmpp_sde", "unipc", "lms")
STEPS = (1, 2, 3, 7, 20, 33, 50)


def cases():
    for name in CLASSES:
        for spacing in ("leading", "trailing", "linspace"):
            yield from (dict(sampler=name, config=SD, steps=n, spacing=spacing) for n in STEPS)
    for name in SPREAD:
        for kind in ("karras", "exponential", "beta"):
            yield from (dict(sampler=name, config=SD, steps=n, schedule=kind) for n in (1, 2, 8, 25))
    yield from (dict(sampler="dpmpp_2m", config=SD, steps=n, schedule="lu") for n in (1, 8, 25))
    for name in ("ddim", "euler", "dpmpp_2m", "unipc", "lcm"):
        yield from (dict(sampler=name, config=SD | {"num_train_timesteps": 400}, steps=n) for n in (4, 40))
    yield dict(sampler="tcd", config=SD | {"original_inference_steps": 60}, steps=9)


def betas():
    for kind in ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"):
        for rescale in (False, True):
            config = {"beta_schedule": kind, "beta_start": 0.0002, "beta_end": 0.018, "rescale_betas_zero_snr": rescale}
            yield config, DDPMScheduler(**config)
    config = {"beta_schedule": "exp", "num_train_timesteps": 250}
    yield config, HeunDiscreteScheduler(**config)
    config = {"trained_betas": [float(x) for x in np.linspace(0.001, 0.03, 40, dtype=np.float32)], "num_train_timesteps": 40}
    yield config, DDPMScheduler(**config)


def guidance():
    draw = torch.randn((2, 1, 4, 6, 5), generator=torch.Generator("cpu").manual_seed(11))
    negative, positive = draw[0], draw[0] + 0.3 * draw[1]
    combined = negative + 7.5 * (positive - negative)
    return {"negative": negative, "positive": positive, "combined": combined,
            "rescaled": rescale_noise_cfg(combined, positive, guidance_rescale=0.7)}


def main():
    listed, timesteps, sigmas, counts = list(cases()), [], [], []
    for case in listed:
        scheduler = make(case["sampler"], case["config"], case.get("schedule"), case.get("spacing"))
        scheduler.set_timesteps(case["steps"])
        timesteps.append(scheduler.timesteps.float().numpy())
        sigmas.append(scheduler.sigmas.float().numpy() if hasattr(scheduler, "sigmas") else np.zeros(0, np.float32))
        counts.append([len(timesteps[-1]), len(sigmas[-1])])
    configs, products = zip(*((config, s.alphas_cumprod.numpy()) for config, s in betas()))
    as_bytes = lambda value: np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
    tensors = {"cases": as_bytes(listed), "timesteps": np.concatenate(timesteps), "sigmas": np.concatenate(sigmas),
               "counts": np.array(counts, np.int32), "betas": as_bytes(configs),
               "alphas_cumprod": np.concatenate([np.append(row[::37], row[-1:]) for row in products])}
    tensors |= {f"guidance.{key}": value.numpy() for key, value in guidance().items()}
    about = metadata(__file__) | {
        "reference_sha256": hashlib.sha256((HERE.parent / "reference.py").read_bytes()).hexdigest()}
    save_tensors(tensors, HERE / "data.safetensors", about)
    print(len(listed), "cases", (HERE / "data.safetensors").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
