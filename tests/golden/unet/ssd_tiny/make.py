"""SSD-1B shaped UNet: transformer depth given per attention, for both directions."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "SSD-1B shaped UNet: a different transformer depth for each attention, listed for both directions; "
     "no attention in the middle block", size=(8, 12), timestep=[77], tokens=8, seed=901, pooled=20,
     time_ids=[[512.0, 768.0, 0.0, 0.0, 512.0, 768.0]],
     down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
     up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), mid_block_type="UNetMidBlock2D",
     block_out_channels=(32, 64, 64), transformer_layers_per_block=[1, [2, 1], [1, 3]],
     reverse_transformer_layers_per_block=[[1, 2, 1], [2, 1, 1], 1], attention_head_dim=[2, 4, 4],
     use_linear_projection=True, cross_attention_dim=56, addition_embed_type="text_time",
     addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 20)
