"""SD 1.x shaped UNet: convolution projections, four heads everywhere."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SD 1.x shaped UNet: convolution projections in the transformers, attention_head_dim means heads",
     size=(16, 24), timestep=[500, 21], tokens=11, seed=101, block_out_channels=(32, 64, 64, 64),
     attention_head_dim=4, cross_attention_dim=40)
