"""ImageReward's BLIP in small: every activation of transformers' modules."""
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Network  # noqa: E402
from record import gaussian, write_case  # noqa: E402

CONFIG = {"vision": {"image": 48, "patch": 16, "width": 48, "mlp_width": 192, "layers": 2, "heads": 3},
          "text": {"vocabulary": 300, "positions": 20, "width": 32, "mlp_width": 128, "layers": 2, "heads": 2},
          "head": [40, 24, 16, 8, 1]}
NOTES = {"pixels": "normalised pixels, NCHW", "ids": "token ids", "mask": "1, or 0 at padding",
         "picture": "after the final norm of the vision tower", "text": "after the last layer", "raw": "the head's number"}
PATTERN = (r"visual\.encoder\.layers\.\d+(\.(layer_norm1|self_attn|mlp))?|text\.embeddings\.LayerNorm"
           r"|text\.encoder\.layer\.\d+\.(attention|crossattention|output)")

ids = torch.randint(1, 300, (2, 9), generator=torch.Generator().manual_seed(5))
mask = torch.ones_like(ids)
mask[1, 5:], ids[1, 5:] = 0, 0
write_case(__file__, model=Network(CONFIG), forward=lambda model, inputs: model(**inputs),
           inputs={"pixels": gaussian(6, 2, 3, 48, 48), "ids": ids, "mask": mask}, config=CONFIG,
           about="ImageReward's BLIP in small: vision transformer, BERT with cross attention, affine head", notes=NOTES,
           pattern=PATTERN)
