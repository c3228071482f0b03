"""Muon for hidden matrices and convolutions, AdamW for everything else.

Muon (Jordan et al., 2024) replaces the momentum by its nearest semi-orthogonal matrix, found with a
few Newton-Schulz steps. Updates are scaled by 0.2 sqrt(max(rows, columns)) (Liu et al., 2025), which
gives them AdamW's usual size, so that both halves share one learning rate.
"""

import torch


def orthogonalize(matrix: torch.Tensor, steps: int = 4) -> torch.Tensor:
    """Iterates on the Gram matrix: with X' = P(G) X and G = X X^T, G' = P G P, and all of them commute."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    gram = x @ x.T
    identity = torch.eye(len(gram))
    for step in range(steps):
        polynomial = torch.addmm(a * identity + b * gram, gram, gram, alpha=c)
        total = polynomial @ total if step else polynomial
        if step + 1 < steps:
            gram = polynomial @ gram @ polynomial
    x = total @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buffer, group["momentum"])
                flat = update.reshape(update.shape[0], -1)
                update = orthogonalize(flat).reshape(update.shape)
                scale = 0.2 * max(flat.shape) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * scale)


class Optimizer:
    """Both halves behind one learning rate."""

    def __init__(self, module: torch.nn.Module, lr: float, weight_decay: float, plain_names=()):
        hidden, plain = [], []
        for name, p in module.named_parameters():
            is_plain = p.ndim < 2 or any(part in name for part in plain_names)
            (plain if is_plain else hidden).append(p)
        self.parts = [Muon(hidden, lr, weight_decay=weight_decay),
                      torch.optim.AdamW(plain, lr, betas=(0.9, 0.98), weight_decay=0.0,
                                        foreach=True)]

    def step(self, lr: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict) -> None:
        for part, saved in zip(self.parts, state["parts"]):
            part.load_state_dict(saved)
