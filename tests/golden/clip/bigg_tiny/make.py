"""OpenCLIP-bigG shaped text encoder (SDXL's second): gelu, projection without bias of the pooled row."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import make  # noqa: E402

make(__file__, "OpenCLIP-bigG shaped text encoder (SDXL's second): gelu, projected pooled row", projection=True,
     padding=0, lengths=(3, 15), seed=13, vocab_size=500, hidden_size=64, intermediate_size=200, num_hidden_layers=3,
     num_attention_heads=4, max_position_embeddings=19, hidden_act="gelu", projection_dim=36)
