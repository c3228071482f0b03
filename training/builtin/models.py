"""The shapes of the built-in model: autoencoder, text encoder, UNet and noise schedule."""

from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from dataset import SIZE

LATENT_CHANNELS = 8
LATENT_SIZE = SIZE // 8
MAX_TOKENS = 32
VOCABULARY = 4610  # 256 bytes, 256 word ends, 4096 merges, start and end
TEXT_WIDTH = 256
NOISE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
             beta_schedule="scaled_linear", prediction_type="v_prediction")


def make_vae() -> AutoencoderKL:
    """Latents are standardized inside the model, hence the scaling factor of 1."""
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENT_CHANNELS, sample_size=SIZE,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 96, 128), layers_per_block=1, norm_num_groups=8,
        scaling_factor=1.0)


def make_text_encoder() -> CLIPTextModel:
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=VOCABULARY, hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS, hidden_act="quick_gelu",
        bos_token_id=VOCABULARY - 2, eos_token_id=VOCABULARY - 1, pad_token_id=VOCABULARY - 1))


def make_unet() -> UNet2DConditionModel:
    """Attention and cross-attention at 8x8 and 4x4; few channels and plain residual blocks at 16x16."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128, 192), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2, 3),  # diffusers reads this as the number of heads: 64 wide each
        cross_attention_dim=TEXT_WIDTH, norm_num_groups=32)


def make_training_scheduler() -> DDPMScheduler:
    return DDPMScheduler(**NOISE)


def make_scheduler() -> DDIMScheduler:
    return DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False, steps_offset=1,
                         timestep_spacing="trailing")
