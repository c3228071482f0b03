"""SD 2.1 shaped UNet: linear projections, heads per block."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SD 2.1 shaped UNet: linear projections in the transformers, a list of heads per block",
     size=(12, 20), timestep=[980], tokens=9, seed=301, block_out_channels=(32, 64, 96, 96), layers_per_block=1,
     attention_head_dim=(2, 4, 6, 6), use_linear_projection=True, upcast_attention=True, cross_attention_dim=48)
