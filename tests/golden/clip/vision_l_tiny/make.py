"""ViT-L/14 shaped vision tower: patches of 14, gelu as in open_clip's later models."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from vision_common import make  # noqa: E402

make(__file__, "ViT-L/14 shaped vision tower with gelu, as in open_clip's later models", seed=43, image_size=42,
     patch_size=14, hidden_size=64, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
     projection_dim=48, hidden_act="gelu")
