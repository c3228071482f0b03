"""KL autoencoder of SD 1.x, 2.x and SDXL, small."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import AutoencoderKL, make  # noqa: E402

make(__file__, "KL autoencoder of SD 1.x, 2.x and SDXL, small: quant convolutions, attention in the middle",
     AutoencoderKL, image=(40, 48), latent=(6, 10), seed=1001, latent_channels=4, block_out_channels=(16, 32, 32, 48),
     layers_per_block=1, norm_num_groups=8, down_block_types=("DownEncoderBlock2D",) * 4,
     up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=0.13025, sample_size=64)
