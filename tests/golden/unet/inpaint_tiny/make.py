"""SD 1.x inpainting shaped UNet: nine input channels."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SD 1.x inpainting shaped UNet: latents, mask and masked latents make nine input channels",
     size=(8, 16), timestep=[640], tokens=8, seed=601, in_channels=9, block_out_channels=(16, 48),
     down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
     layers_per_block=1, attention_head_dim=8, cross_attention_dim=32)
