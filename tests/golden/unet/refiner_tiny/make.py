"""SDXL refiner shaped UNet: four blocks, attention in the two middle ones, five time ids."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SDXL refiner shaped UNet: attention in the two middle blocks only, five time ids",
     size=(16, 16), timestep=[199], tokens=6, seed=501, pooled=28, time_ids=[[1024.0, 1024.0, 0.0, 0.0, 6.0]],
     down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
     up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=1,
     block_out_channels=(24, 48, 96, 96), transformer_layers_per_block=2, attention_head_dim=[2, 4, 8, 8],
     use_linear_projection=True, cross_attention_dim=44, addition_embed_type="text_time",
     addition_time_embed_dim=12, projection_class_embeddings_input_dim=5 * 12 + 28)
