"""What the VAE cases share."""
import json
import sys
from pathlib import Path

from diffusers import AutoencoderKL, AutoencoderTiny

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import fill_weights, gaussian, write_case  # noqa: E402

_BLOCK = r"(down_blocks\.\d+|up_blocks\.\d+|mid_block)"
KL_PATTERN = (rf"(encoder|decoder)\.(conv_in|conv_norm_out|conv_out|mid_block"
              rf"|{_BLOCK}\.((resnets|attentions)\.\d+|(down|up)samplers\.0))|quant_conv|post_quant_conv")
TINY_PATTERN = r"(encoder|decoder)\.layers\.\d+"
NOTES = {
    "image": "pixels in [-1, 1], NCHW",
    "latents": "input of the decoder as the VAE defines it: scaling_factor and shift_factor already undone, NCHW",
    "moments": "encoder output after quant_conv if there is one: mean, then log of variance (not clamped), NCHW",
    "encoded": "encoder output, NCHW",
    "decoded": "pixels, not clamped, NCHW",
}


def _image(seed, size):
    return (0.6 * gaussian(seed, 1, 3, *size)).clamp(-1, 1)


def _kl(model, inputs):
    moments = model.encode(inputs["image"]).latent_dist.parameters
    return {"moments": moments, "decoded": model.decode(inputs["latents"]).sample}


def _tiny(model, inputs):
    return {"encoded": model.encode(inputs["image"]).latents, "decoded": model.decode(inputs["latents"]).sample}


def make(make_file, about, kind, *, image, latent, seed, **config):
    model = fill_weights(kind(**config))
    saved = json.loads(model.to_json_string())
    saved.pop("_diffusers_version", None)
    inputs = {"image": _image(seed, image), "latents": 2 * gaussian(seed + 1, 1, config["latent_channels"], *latent)}
    tiny = kind is AutoencoderTiny
    write_case(make_file, model=model, forward=_tiny if tiny else _kl, inputs=inputs, config=saved, about=about,
               notes=NOTES, pattern=TINY_PATTERN if tiny else KL_PATTERN)


__all__ = ["AutoencoderKL", "AutoencoderTiny", "make"]
