"""Runs a reference model on formula weights and writes a golden case.

A case folder holds `case.json` (config, inputs, outputs, activations, tolerance) and `data.safetensors`:

    in.<name>    an input, full
    out.<name>   an output, full
    act.<path>   an activation, the output of the module <path>: its values flattened in the reference library's own
                 order (NCHW, or N tokens channels); if it has more than 256 values only a sample of 256,
                 element k being number floor(k * count / 256)
    norm.<path>  its L2 norm over all values, one number

The reference runs in float64 on float32 weights and inputs and is rounded to float32 at the end, so the golden does not
depend on threads or instruction sets. The same pass in float32 gives the error of an honest float32 engine; the
tolerance of the case is a stated multiple of it.
"""
import hashlib
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from fill import fill  # noqa: E402

SAMPLE = 256
LIMIT = 256 * 1024
EPS = 2.0**-23
SAFETY = 16
FLOOR = 4 * EPS


def fill_weights(model, prefix=""):
    """Sets every parameter of `model` by the formula; the checkpoint's name is prefix + the module's name."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(fill(prefix + name, tuple(parameter.shape))))
    return model.eval().requires_grad_(False)


def gaussian(seed, *shape):
    """Standard normal float32 numbers of torch's CPU generator."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def sample(array):
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.size <= SAMPLE:
        return flat
    return flat[np.arange(SAMPLE, dtype=np.int64) * flat.size // SAMPLE]


def versions():
    import diffusers
    import safetensors
    import transformers
    found = {m.__name__: m.__version__ for m in (torch, diffusers, transformers, np, safetensors)}
    return found | {"python": sys.version.split()[0]}


def metadata(make_file):
    """What every data.safetensors says about its maker."""
    digest = lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return versions() | {"make_sha256": digest(make_file), "fill_sha256": digest(HERE / "fill.py"),
                         "record_sha256": digest(HERE / "record.py")}


def save_tensors(tensors, path, about):
    """A safetensors file whose bytes depend on its content only (the library orders metadata at random)."""
    data = save({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    size = int.from_bytes(data[:8], "little")
    header = {"__metadata__": dict(sorted(about.items()))} | json.loads(data[8:8 + size])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = Path(path).with_suffix(".partial")
    partial.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:])
    partial.replace(path)
    assert Path(path).stat().st_size <= LIMIT, f"{path}: over {LIMIT} bytes"


def to_array(tensor):
    array = tensor.detach().cpu().numpy()
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


class Tap:
    """Keeps the outputs of the modules whose names match `pattern`, in order of execution."""

    def __init__(self, model, pattern, prefix=""):
        self.found, self.handles = {}, []
        regex = re.compile(pattern)
        for name, module in model.named_modules():
            if name and regex.fullmatch(prefix + name):
                self.handles.append(module.register_forward_hook(self._keep(prefix + name)))

    def _keep(self, name):
        def hook(_module, _inputs, output):
            while not torch.is_tensor(output):
                output = output[0]
            assert name not in self.found, f"{name} ran twice"
            self.found[name] = to_array(output)
        return hook

    def __enter__(self):
        return self.found

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def cast(value, dtype):
    if torch.is_tensor(value):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(cast(v, dtype) for v in value)
    if isinstance(value, dict):
        return {k: cast(v, dtype) for k, v in value.items()}
    return value


def flatten(inputs):
    """{'a': x, 'b': [y, z], 'c': {'d': w}} as a: x, b.0: y, b.1: z, c.d: w."""
    flat = {}
    for key, value in inputs.items():
        if torch.is_tensor(value):
            flat[key] = value
        else:
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            flat |= {f"{key}.{name}": tensor for name, tensor in pairs}
    return flat


def error(got, want):
    """Largest difference in units of the reference's root mean square."""
    rms = float(np.sqrt(np.mean(np.square(want)))) or 1.0
    return float(np.abs(got - want).max()) / rms


def execute(model, forward, inputs, pattern, prefix, dtype):
    model.to(dtype)
    with torch.inference_mode(), Tap(model, pattern, prefix) as activations:
        outputs = forward(model, cast(inputs, dtype))
    return {k: to_array(v) for k, v in outputs.items()}, activations


def write_case(make_file, *, model, forward, inputs, config, about, notes, pattern, prefix="", extra_error=0.0,
               extra_reason="", weights="tests/golden/fill.py"):
    """Runs, measures and writes the case beside `make_file`.

    forward(model, inputs) -> {name: tensor}; `notes` says one line about each input and output; `extra_error` widens
    the tolerance (relative to the root mean square) by a known effect described in `extra_reason`.
    """
    folder = Path(make_file).resolve().parent
    outputs, activations = execute(model, forward, inputs, pattern, prefix, torch.float64)
    outputs32, activations32 = execute(model, forward, inputs, pattern, prefix, torch.float32)
    errors = {f"out.{k}": error(outputs32[k], v) for k, v in outputs.items()}
    errors |= {f"act.{k}": error(activations32[k], v) for k, v in activations.items()}
    worst = max(errors, key=errors.get)
    bound = lambda key: float(f"{SAFETY * max(errors[key], FLOOR) + extra_error:.2g}")
    tensors, described = {}, {"inputs": {}, "outputs": {}}
    for key, value in flatten(inputs).items():
        tensors[f"in.{key}"] = value.numpy().astype(np.float32 if value.is_floating_point() else np.int32)
        described["inputs"][key] = {"shape": list(value.shape), "about": notes[key.split(".")[0]]}
    for key, value in outputs.items():
        tensors[f"out.{key}"] = value.astype(np.float32)
        described["outputs"][key] = {"shape": list(value.shape), "tolerance": bound(f"out.{key}"), "about": notes[key]}
    for key, value in activations.items():
        tensors[f"act.{key}"] = sample(value).astype(np.float32)
        tensors[f"norm.{key}"] = np.array([np.linalg.norm(value)], dtype=np.float32)
    tolerance = {
        "meaning": "for each tensor |got - want| <= tolerance x root mean square of the whole reference tensor, and "
                   "|norm(got) - norm(want)| <= tolerance x norm(want)",
        "reason": f"{SAFETY} x the largest error of the reference library's own float32 pass against its float64 pass "
                  f"(at least {FLOOR:.2g}, at most {errors[worst]:.2g} at {worst}){extra_reason}",
    }
    case = {"about": about, "class": type(model).__name__, "weights": weights, "config": config} | described
    case |= {"tolerance": tolerance,
             "activations": [{"name": k, "shape": list(v.shape), "tolerance": bound(f"act.{k}")}
                             for k, v in activations.items()]}
    text = json.dumps(case, indent=2)
    text = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: "[" + ", ".join(m[1].replace(",", " ").split()) + "]", text)
    text = re.sub(r'\{\s+("[^{}]*?)\s+\}(?=,?\n)', _one_line, text)
    (folder / "case.json").write_text(text + "\n")
    path = folder / "data.safetensors"
    save_tensors(tensors, path, metadata(make_file))
    size = path.stat().st_size
    assert all(np.isfinite(v).all() for v in tensors.values())
    spread = [math.log10(max(np.abs(v).max(), 1e-9)) for v in outputs.values()]
    print(f"{folder.parent.name}/{folder.name}: {len(activations)} activations, {size} bytes, worst float32 "
          f"error {errors[worst]:.2g}, log10 of output maxima {[round(s, 2) for s in spread]}")


def _one_line(match):
    line = "{" + " ".join(match[1].split()) + "}"
    return line if len(line) < 160 and '"name"' in line or '"shape"' in line else match[0]
