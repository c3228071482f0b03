"""ViT-B/32 shaped vision tower: quick_gelu, even patches."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from vision_common import make  # noqa: E402

make(__file__, "ViT-B shaped vision tower: quick_gelu, patches of 8", seed=41, image_size=32, patch_size=8,
     hidden_size=48, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4, projection_dim=40,
     hidden_act="quick_gelu")
