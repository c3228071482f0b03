"""Runs of Stable Diffusion pipelines with noise that does not depend on the arithmetic's precision."""
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from diffusers.utils import torch_utils
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "samplers")]
from fill import uniform  # noqa: E402
import reference  # noqa: E402

_library_randn = torch_utils.randn_tensor


def _float32_randn(shape, generator=None, device=None, dtype=None, layout=None):
    """The library's own noise, always drawn in float32: a seed means the same picture at every precision."""
    return _library_randn(shape, generator=generator, device=device, dtype=torch.float32, layout=layout).to(dtype)


def install_noise():
    for name, module in list(sys.modules.items()):
        if name.startswith("diffusers.") and getattr(module, "randn_tensor", None) is _library_randn:
            module.randn_tensor = _float32_randn


def scheduler(sampler, config, generator, schedule=None, spacing=None):
    """`sampler` on the model's own schedule; DPM++ SDE's Brownian path draws from the picture's generator."""
    made = reference.make(sampler, config, schedule, spacing)
    if hasattr(made, "noise_sampler"):
        set_timesteps, shape = made.set_timesteps, []

        def with_noise(*args, **kwargs):
            set_timesteps(*args, **kwargs)
            made.noise_sampler = reference.BrownianPool(lambda: torch.randn(shape[0], generator=generator))

        step = made.step

        def remember_shape(model_output, timestep, sample, *args, **kwargs):
            shape[:] = [tuple(sample.shape)]
            return step(model_output, timestep, sample, *args, **kwargs)

        made.set_timesteps, made.step = with_noise, remember_shape
    return made


def noise_image(seed, height, width):
    """A smooth random RGB picture (numpy, HWC, uint8): an 8th of the size, enlarged by Pillow's bicubic filter."""
    rows, columns = max(2, height // 8), max(2, width // 8)
    small = np.floor(256 * uniform(seed, rows * columns * 3)).astype(np.uint8).reshape(rows, columns, 3)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))


def run(parts, config, *, sampler, steps, seed, prompt, guidance, negative_prompt=None, height, width, schedule=None,
        spacing=None, eta=0.0, count=1, strength=None, image=None, mask=None, clip_skip=None, guidance_rescale=0.0):
    """Final latents, decoded pixels (NCHW, not clamped) and the latents after each step, as float64 arrays.

    Picture i has its own generator seeded seed + i. `image` (uint8 HWC) makes it image-to-image, `mask` (uint8 HW,
    255 = repaint) with it inpainting; `guidance_rescale` and `clip_skip` mean what they mean in diffusers.
    """
    generators = [torch.Generator("cpu").manual_seed(seed + i) for i in range(count)]
    generator = generators if count > 1 else generators[0]
    kind = StableDiffusionPipeline if image is None else StableDiffusionImg2ImgPipeline
    kind = kind if mask is None else StableDiffusionInpaintPipeline
    pipe = kind(**parts, scheduler=scheduler(sampler, config, generators[0], schedule, spacing), safety_checker=None,
                feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    steps_seen = []

    def keep(_pipe, _index, _timestep, values):
        steps_seen.append(values["latents"].double().numpy().copy())
        return {}

    arguments = dict(prompt=prompt, negative_prompt=negative_prompt, num_inference_steps=steps, eta=eta,
                     guidance_scale=guidance, generator=generator, clip_skip=clip_skip, output_type="latent",
                     num_images_per_prompt=count, callback_on_step_end=keep)
    if image is None:
        arguments |= dict(height=height, width=width, guidance_rescale=guidance_rescale)
    else:
        arguments |= dict(image=Image.fromarray(image), strength=strength)
    if mask is not None:
        arguments |= dict(mask_image=Image.fromarray(mask), height=height, width=width)
    with torch.inference_mode():
        latents = pipe(**arguments).images
        vae = parts["vae"]
        decoded = vae.decode(latents / vae.config.scaling_factor).sample
    return latents.double().numpy(), decoded.double().numpy(), steps_seen


def to_bytes(decoded):
    """diffusers' postprocessing: [N, H, W, 3] uint8."""
    pixels = np.clip(decoded / 2 + 0.5, 0, 1).transpose(0, 2, 3, 1)
    return (pixels * 255).round().astype(np.uint8)
