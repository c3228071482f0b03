"""SDXL shaped UNet: text_time conditioning, transformer depth per block."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SDXL shaped UNet: text_time conditioning, 0 / 1 / 2 transformer layers per block",
     size=(16, 12), timestep=[999, 250], tokens=10, seed=401, pooled=20,
     time_ids=[[1024.0, 768.0, 0.0, 16.0, 1024.0, 1024.0], [512.0, 512.0, 8.0, 0.0, 640.0, 512.0]],
     down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
     up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=1,
     block_out_channels=(32, 64, 96), transformer_layers_per_block=[1, 1, 2], attention_head_dim=[2, 4, 6],
     use_linear_projection=True, cross_attention_dim=56, addition_embed_type="text_time",
     addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 20)
