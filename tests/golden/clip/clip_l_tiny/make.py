"""CLIP-L shaped text encoder (SD 1.x): quick_gelu, padded with the end token."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "CLIP-L shaped text encoder: quick_gelu, padded with the end token", projection=False, padding=599,
     lengths=(5, 21), seed=11, vocab_size=600, hidden_size=48, intermediate_size=192, num_hidden_layers=3,
     num_attention_heads=4, max_position_embeddings=23, hidden_act="quick_gelu", projection_dim=48)
