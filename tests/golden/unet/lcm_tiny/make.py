"""UNet distilled with the guidance scale as an input (LCM): time_cond_proj_dim."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "LCM shaped UNet: the embedding of the guidance scale enters through time_embedding.cond_proj",
     size=(8, 8), timestep=[259], tokens=8, seed=701, timestep_cond=True, block_out_channels=(32, 64),
     down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
     layers_per_block=1, attention_head_dim=4, cross_attention_dim=32, time_cond_proj_dim=24)
