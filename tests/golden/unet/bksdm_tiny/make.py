"""BK-SDM tiny shaped UNet: no middle block, one layer per block."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "BK-SDM tiny / tiny-sd shaped UNet: no middle block, one layer per block", size=(8, 12),
     timestep=[333], tokens=8, seed=801, block_out_channels=(32, 64, 64), layers_per_block=1, attention_head_dim=4,
     down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
     up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), mid_block_type=None,
     cross_attention_dim=32)
