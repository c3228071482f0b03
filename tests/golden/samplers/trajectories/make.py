"""Whole runs of every sampler on a linear toy model, one file for each sampler.

The model's output at call i is c[i, 0] * input + c[i, 1] * pattern, in float32, which any engine can repeat exactly.

    cases            U8, JSON: [{sampler, config, steps, schedule?, spacing?, strength?, eta?, start, init_noise_sigma}]
    pool             standard normal draws, taken in order from the first by each case
    pattern, noise, original
    <k>.timesteps    of case k, one for each model call of a whole run, as float32
    <k>.sigmas       scheduler.sigmas, where there are some
    <k>.c            the model's coefficients, one row for each call of a whole run
    <k>.x            the initial sample (noise * init_noise_sigma, or add_noise of `original`) and that after each call
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parents[1]))
from record import metadata, save_tensors  # noqa: E402
from reference import BrownianPool, CLASSES, Pool, make  # noqa: E402

import hashlib  # noqa: E402

SHAPE = (4, 4, 4)
POOL = Pool(3, 40, SHAPE)

SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SD15 = SD | {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "set_alpha_to_one": False,
             "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None, "clip_sample": False}
SD21 = SD | {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction", "set_alpha_to_one": False,
             "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None, "clip_sample": False}
SDXL = SD | {"_class_name": "EulerDiscreteScheduler", "interpolation_type": "linear", "prediction_type": "epsilon",
             "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
             "timestep_spacing": "leading", "trained_betas": None, "use_karras_sigmas": False, "clip_sample": False}
TURBO = SDXL | {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}

NO_SAMPLE = {"pndm", "euler_a", "dpm2", "dpm2_a", "dpmpp_sde"}  # diffusers refuses sample prediction there
ZERO_SNR = {"ddim", "ddpm", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "lcm", "tcd"}
SPREAD = {"euler", "heun", "dpm2", "dpm2_a", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "unipc", "lms"}
DISTILLED = {"lcm", "tcd"}


def common(name):
    # The ancestral ones lose all digits of sigma_down where sigma falls by a factor of 100 in one step.
    yield from (dict(config=SD15, steps=n) for n in (1, 3 if name == "dpm2_a" else 2, 5, 20))
    yield dict(config=SDXL, steps=5)
    yield dict(config=TURBO, steps=4)
    yield dict(config=SD15, steps=6, spacing="linspace")
    yield dict(config=SD21, steps=5)
    yield dict(config={}, steps=4)
    if name not in NO_SAMPLE:
        yield dict(config=SD15 | {"prediction_type": "sample"}, steps=5)
    if name in ZERO_SNR:
        yield dict(config=SD21 | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, steps=5)
    if name in SPREAD:
        yield from (dict(config=SD15, steps=6, schedule=kind) for kind in ("karras", "exponential", "beta"))
        yield dict(config=SDXL | {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 12.0}, steps=4)
    yield from (dict(config=SD15, steps=10, strength=s) for s in (0.3, 0.75))
    yield dict(config=SD15, steps=5, strength=1.0)
    yield dict(config=SD15 | {"beta_schedule": "squaredcos_cap_v2"}, steps=30 if name in ("euler_a", "dpm2_a") else 4,
               spacing="leading", strength=0.15 if name in ("euler_a", "dpm2_a") else 1.0)


def special(name):
    if name in ("ddim", "tcd"):
        yield from (dict(config=SD15, steps=4, eta=eta) for eta in (0.0, 0.7, 1.0))
    if name in ("ddim", "ddpm", "lcm", "dpmpp_2m", "unipc"):
        yield dict(config=SD15 | {"thresholding": True, "sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.9}, steps=4)
    if name in ("ddim", "ddpm", "lcm", "heun"):
        yield dict(config=SD15 | {"clip_sample": True, "clip_sample_range": 0.5}, steps=4)
    if name == "ddpm":
        yield from (dict(config=SD15 | {"variance_type": kind}, steps=4) for kind in ("fixed_small_log", "fixed_large"))
    if name == "pndm":
        yield from (dict(config=SD15 | {"skip_prk_steps": False}, steps=n) for n in (4, 10))
    if name in ("euler", "dpmpp_2m", "unipc"):
        yield dict(config=SD15 | {"final_sigmas_type": "sigma_min"}, steps=5)
        yield dict(config=SD15 | {"final_sigmas_type": "sigma_min"}, steps=5, schedule="karras")
    if name == "euler":
        yield dict(config=SD21 | {"timestep_type": "continuous"}, steps=5)
        yield dict(config=SD15 | {"interpolation_type": "log_linear"}, steps=5)
    if name == "lcm":
        yield dict(config=SD15 | {"original_inference_steps": 100, "timestep_scaling": 1.0}, steps=8)
    if name == "dpmpp_2m":
        for order in (1, 2, 3):
            yield dict(config=SD15 | {"solver_order": order, "solver_type": "heun"}, steps=6)
        yield dict(config=SD15 | {"solver_order": 3}, steps=16)
        yield dict(config=SD15 | {"solver_order": 3, "lower_order_final": False, "final_sigmas_type": "sigma_min"}, steps=6)
        yield dict(config=SD15 | {"euler_at_final": True, "final_sigmas_type": "sigma_min"}, steps=16)
        yield dict(config=SD15 | {"lambda_min_clipped": -2.0}, steps=5)
        yield dict(config=SD15, steps=6, schedule="lu")
        for kind in ("dpmsolver", "sde-dpmsolver"):
            changes = {"algorithm_type": kind, "final_sigmas_type": "sigma_min"}
            for order, solver in ((2, "midpoint"), (2, "heun"), (3, "midpoint")):
                if order == 3 and kind == "sde-dpmsolver":
                    continue
                yield dict(sampler="DPMSolverMultistepScheduler",
                           config=SD15 | changes | {"solver_order": order, "solver_type": solver}, steps=6)
        yield dict(sampler="DPMSolverMultistepScheduler", steps=4,
                   config=SD21 | {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"})
    if name == "dpmpp_2m_sde":
        yield dict(config=SD15 | {"solver_type": "heun"}, steps=6)
        yield dict(config=SD15 | {"solver_order": 3}, steps=6)
    if name == "unipc":
        for solver, last in (("bh1", "sigma_min"), ("bh2", "zero")):  # bh1 ends in NaN at zero in diffusers
            yield dict(config=SD15 | {"solver_order": 3, "solver_type": solver, "final_sigmas_type": last}, steps=8)
        yield dict(config=SD15 | {"predict_x0": False, "final_sigmas_type": "sigma_min"}, steps=6)
        yield dict(config=SD21 | {"predict_x0": False, "final_sigmas_type": "sigma_min", "solver_order": 1}, steps=4)
        yield dict(config=SD15 | {"disable_corrector": [0, 2]}, steps=6)
        yield dict(config=SD15 | {"lower_order_final": False, "final_sigmas_type": "sigma_min"}, steps=6)


def coefficients(timesteps):
    t = timesteps.double()
    return torch.stack([0.55 + 0.35 * torch.cos(0.003 * t), 0.3 * torch.sin(0.01 * t + 0.5)], 1).float()


def begin(scheduler, case, noise, original):
    """StableDiffusionImg2ImgPipeline.get_timesteps and prepare_latents."""
    scheduler.set_timesteps(case["steps"])
    if "strength" not in case:
        return 0, noise * scheduler.init_noise_sigma
    kept = min(int(case["steps"] * case["strength"]), case["steps"])
    start = max(case["steps"] - kept, 0) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    return start, scheduler.add_noise(original, noise, scheduler.timesteps[start:start + 1])


def run(case, pattern, noise, original):
    scheduler = make(case["sampler"], case["config"], case.get("schedule"), case.get("spacing"))
    start, x = begin(scheduler, case, noise, original)
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler = BrownianPool(POOL.draw)
    POOL.rewind()
    keywords = {"eta": case["eta"]} if "eta" in case else {}
    c = coefficients(scheduler.timesteps)
    track = [x]
    for i in range(start, len(scheduler.timesteps)):
        t = scheduler.timesteps[i]
        output = c[i, 0] * scheduler.scale_model_input(x, t) + c[i, 1] * pattern
        x = scheduler.step(output, t, x, **keywords).prev_sample
        track.append(x)
    case |= {"start": start, "init_noise_sigma": float(scheduler.init_noise_sigma)}
    # The schedulers that keep no sigmas for their steps (VP) have at most the training table there.
    tensors = {"timesteps": scheduler.timesteps.float(), "c": c, "x": torch.cat(track).reshape(len(track), -1)}
    if hasattr(scheduler, "sigmas"):
        tensors["sigmas"] = scheduler.sigmas.float()
    assert torch.isfinite(tensors["x"]).all(), case
    return tensors


def main():
    POOL.install()
    generator = torch.Generator("cpu").manual_seed(7)
    pattern, noise, original = torch.randn((3, 1, *SHAPE), generator=generator)
    about = metadata(__file__) | {
        "reference_sha256": hashlib.sha256((HERE.parent / "reference.py").read_bytes()).hexdigest()}
    for name in CLASSES:
        cases = [{"sampler": name} | case for case in (*common(name), *special(name))]
        tensors = {"pool": POOL.draws, "pattern": pattern, "noise": noise, "original": original}
        for k, case in enumerate(cases):
            tensors |= {f"{k}.{key}": value for key, value in run(case, pattern, noise, original).items()}
        tensors = {key: value.numpy() for key, value in tensors.items()}
        tensors["cases"] = np.frombuffer(json.dumps(cases).encode(), dtype=np.uint8)
        path = HERE / f"{name}.safetensors"
        save_tensors(tensors, path, about)
        print(f"{name}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
