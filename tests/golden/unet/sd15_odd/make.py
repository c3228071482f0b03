"""SD 1.x shaped UNet on 9 x 13 latents with ControlNet residuals and a fractional time step."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SD 1.x shaped UNet, widths 24/40, 9 x 13 latents (upsamplers take the skip's size), ControlNet "
     "residuals, a fractional time step", size=(9, 13), timestep=[721.375], tokens=7, seed=201,
     with_residuals=True, block_out_channels=(24, 40, 40), layers_per_block=1, attention_head_dim=4,
     down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
     up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=36)
