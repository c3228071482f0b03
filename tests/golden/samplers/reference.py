"""diffusers' schedulers as X.from_config(pipe.scheduler.config) makes them, with noise from a fixed pool."""
import sys
import types

import diffusers
import torch

try:
    import torchsde  # noqa: F401
except ImportError:  # only the noise of DPMSolverSDEScheduler needs it, and that is replaced below
    sys.modules["torchsde"] = types.ModuleType("torchsde")
from diffusers.schedulers import scheduling_dpmsolver_sde as sde  # noqa: E402

CLASSES = {
    "pndm": "PNDMScheduler", "ddim": "DDIMScheduler", "ddpm": "DDPMScheduler", "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler", "heun": "HeunDiscreteScheduler", "dpm2": "KDPM2DiscreteScheduler",
    "dpm2_a": "KDPM2AncestralDiscreteScheduler", "dpmpp_2m": "DPMSolverMultistepScheduler",
    "dpmpp_2m_sde": "DPMSolverMultistepScheduler", "dpmpp_sde": "DPMSolverSDEScheduler",
    "unipc": "UniPCMultistepScheduler", "lms": "LMSDiscreteScheduler", "lcm": "LCMScheduler", "tcd": "TCDScheduler",
}
FORCED = {"dpmpp_2m": {"algorithm_type": "dpmsolver++"}, "dpmpp_2m_sde": {"algorithm_type": "sde-dpmsolver++"}}
SPREADS = {"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas",
           "lu": "use_lu_lambdas"}


def scheduler_class(name):
    return sde.DPMSolverSDEScheduler if name == "DPMSolverSDEScheduler" else getattr(diffusers, name)


def make(sampler, config, schedule=None, spacing=None):
    """`sampler` is a CLI name or a diffusers class name; `config` is what scheduler_config.json holds."""
    own = scheduler_class(config["_class_name"]) if "_class_name" in config else None
    loaded = own.from_config(config).config if own else config
    changes = dict(FORCED.get(sampler, {}))
    if schedule:
        changes[SPREADS[schedule]] = True
    if spacing:
        changes["timestep_spacing"] = spacing
    return scheduler_class(CLASSES.get(sampler, sampler)).from_config(loaded, **changes)


class Pool:
    """Standard normal tensors handed out one after the other."""

    def __init__(self, seed, count, shape):
        self.draws = torch.randn((count, *shape), generator=torch.Generator("cpu").manual_seed(seed))
        self.next = 0

    def rewind(self):
        self.next = 0

    def draw(self, *_args, **_kwargs):
        self.next += 1
        return self.draws[self.next - 1][None].clone()

    def install(self):
        """Replaces randn_tensor in the schedulers' modules."""
        for name in CLASSES.values():
            module = sys.modules[scheduler_class(name).__module__]
            if hasattr(module, "randn_tensor"):
                module.randn_tensor = self.draw


class BrownianPool:
    """A Brownian path over sigma for DPMSolverSDEScheduler: a step's second increment contains its first."""

    def __init__(self, draw):
        self.draw = draw
        self.half = None

    def __call__(self, start, end):
        fresh = self.draw()
        if self.half is None:
            self.half = (end, fresh)
            return fresh
        (middle, first), self.half = self.half, None
        return ((start - middle) / (start - end)).sqrt() * first + ((middle - end) / (start - end)).sqrt() * fresh
