"""OpenCLIP-H shaped text encoder (SD 2.x): gelu, padded with id 0."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "OpenCLIP-H shaped text encoder as SD 2.x stores it (last layer already cut): gelu, padded with id 0",
     projection=False, padding=0, lengths=(1, 7), seed=12, vocab_size=500, hidden_size=40, intermediate_size=160,
     num_hidden_layers=4, num_attention_heads=5, max_position_embeddings=17, hidden_act="gelu", projection_dim=32)
