"""KL autoencoder of SD 3 and FLUX, small, odd sizes."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import AutoencoderKL, make  # noqa: E402

make(__file__, "KL autoencoder of SD 3 and FLUX, small: 16 latent channels, shift factor, no quant convolutions, two "
     "layers, sizes that do not divide evenly", AutoencoderKL, image=(27, 38), latent=(7, 9), seed=1101,
     latent_channels=16, block_out_channels=(24, 40, 40), layers_per_block=2, norm_num_groups=4,
     down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, scaling_factor=1.5305,
     shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False, sample_size=32)
