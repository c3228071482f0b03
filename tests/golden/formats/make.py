"""Writes the small files that formats_test reads: the same tensors in every format, each written by its own library."""

import collections
import hashlib
import json
import os
import pathlib

import numpy
import safetensors
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
generator = torch.Generator().manual_seed(7)


def integers(dtype, low, high):
    return torch.randint(low, high, (3, 5), generator=generator).to(dtype)


floats = torch.randn(2, 3, 4, generator=generator)
tensors = collections.OrderedDict(
    f32=floats,
    f16=floats.half(),
    bf16=floats.bfloat16(),
    f64=floats.double(),
    i64=integers(torch.int64, -(2**40), 2**40),
    i32=integers(torch.int32, -(2**30), 2**30),
    i16=integers(torch.int16, -(2**15), 2**15),
    i8=integers(torch.int8, -128, 128),
    u8=integers(torch.uint8, 0, 256),
    bool=integers(torch.bool, 0, 2),
    scalar=torch.tensor(3.5),
    empty=torch.zeros(0, 4),
)
metadata = {
    "make.py": hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest(),
    "versions": f"torch {torch.__version__}, numpy {numpy.__version__}, safetensors {safetensors.__version__}",
}
os.chdir(here)
save_file(tensors, "expected.safetensors", metadata)
torch.save(tensors, "dtypes.pth")
torch.save(tensors, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "optimizer": {"step": torch.ones(1)}, "state_dict": tensors}, "checkpoint.ckpt")

# The same values through other strides and offsets: transposed, every second element, and slices of one storage.
strided = collections.OrderedDict()
for i, (name, value) in enumerate(tensors.items()):
    if value.dim() < 2 or value.numel() == 0:
        strided[name] = torch.nn.Parameter(value) if value.is_floating_point() else value
    elif i % 2 == 0:
        strided[name] = value.transpose(0, -1).contiguous().transpose(0, -1)
    else:
        wide = torch.zeros(*value.shape[:-1], 2 * value.shape[-1] + 1, dtype=value.dtype)
        wide[..., 1::2] = value
        strided[name] = wide[..., 1::2]
torch.save(strided, "strided.pth", pickle_protocol=4)
nested = {"a": {"weight": floats, "list": [torch.ones(2), (torch.zeros(3))]}, "b": torch.ones(1), 3: {"x": torch.ones(1)},
          "epoch": 7, "note": "hello", "nothing": None}
torch.save(nested, "nested.pt")
torch.save(torch.nn.Linear(2, 3), "module.pt")

numpy.save("array.npy", floats.numpy())
numpy.save("fortran.npy", numpy.asfortranarray(floats.numpy()))
save_file({"weight": torch.ones(4).to(torch.float8_e4m3fn)}, "float8.safetensors")

os.makedirs("sharded", exist_ok=True)
names = list(tensors)
shards = {f"model-{i + 1:05}-of-00003.safetensors": names[i::3] for i in range(3)}
for shard, held in shards.items():
    save_file({name: tensors[name] for name in held}, f"sharded/{shard}", {"format": "pt"})
index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
         "weight_map": {name: shard for shard, held in shards.items() for name in held}}
pathlib.Path("sharded/model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
