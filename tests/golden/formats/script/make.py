"""A TorchScript program as torch.jit.save writes it, like OpenAI's CLIP files, beside its state dict in safetensors."""
import hashlib
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from record import save_tensors  # noqa: E402


class Block(torch.nn.Module):
    def __init__(self, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.in_proj_weight = torch.nn.Parameter(torch.randn(3, 2, generator=generator))
        self.out_proj = torch.nn.Linear(3, 2)
        self.out_proj.weight.data = torch.randn(2, 3, generator=generator)
        self.out_proj.bias.data = torch.randn(2, generator=generator)
        self.sizes = [2, 3]

    def forward(self, x):
        return self.out_proj(x @ self.in_proj_weight.t()) * self.sizes[0]


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.resblocks = torch.nn.Sequential(Block(1), Block(2))
        self.proj = torch.nn.Parameter(torch.randn(2, 4, generator=torch.Generator().manual_seed(3)).half())
        self.register_buffer("input_resolution", torch.tensor([224]))

    def forward(self, x):
        return self.resblocks(x) @ self.proj.float()


program = torch.jit.script(Tower().eval())
program.save(str(HERE / "program.pt"))
about = {"make_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), "torch": torch.__version__}
save_tensors({name: value.numpy() for name, value in program.state_dict().items()}, HERE / "data.safetensors", about)
print(list(program.state_dict()))
