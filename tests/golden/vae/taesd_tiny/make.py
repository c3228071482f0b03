"""TAESD, small."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import AutoencoderTiny, make  # noqa: E402

make(__file__, "TAESD, small: the decoder squashes its input, the encoder takes [-1, 1]", AutoencoderTiny,
     image=(32, 48), latent=(5, 6), seed=1201, latent_channels=4, encoder_block_out_channels=(24, 24, 24, 24),
     decoder_block_out_channels=(24, 24, 24, 24), num_encoder_blocks=(1, 2, 2, 2), num_decoder_blocks=(2, 2, 2, 1))
