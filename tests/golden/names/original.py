"""The parameter names of the original Stable Diffusion code and of OpenCLIP, written down from their architecture."""


def unet(levels, resnets, attention, depths, mid_depth, size_condition):
    """levels: number; attention: levels that have it; depths: transformer blocks of each level."""
    resnet = ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"]
    names = ["time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2"]
    if size_condition:
        names += ["label_emb.0.0", "label_emb.0.2"]

    def transformer(depth):
        yield from ("norm", "proj_in", "proj_out")
        for i in range(depth):
            for norm in ("norm1", "norm2", "norm3"):
                yield f"transformer_blocks.{i}.{norm}"
            for attn in ("attn1", "attn2"):
                for q in ("to_q", "to_k", "to_v"):
                    yield f"transformer_blocks.{i}.{attn}.{q}!"  # no bias
                yield f"transformer_blocks.{i}.{attn}.to_out.0"
            yield from (f"transformer_blocks.{i}.ff.net.0.proj", f"transformer_blocks.{i}.ff.net.2")

    # A resnet that changes its number of channels has a skip connection: the first of a level below a narrower one, all
    # of the way up. `wider` says so for the way down; only SD 1/2 and XL's multipliers are described here.
    block = 1
    for level in range(levels):
        for i in range(resnets):
            names += [f"input_blocks.{block}.0.{part}" for part in resnet]
            if i == 0:
                names.append(f"input_blocks.{block}.0.skip_connection?")
            if level in attention:
                names += [f"input_blocks.{block}.1.{part}" for part in transformer(depths[level])]
            block += 1
        if level + 1 < levels:
            names.append(f"input_blocks.{block}.0.op")
            block += 1
    for i in (0, 2):
        names += [f"middle_block.{i}.{part}" for part in resnet]
    names += [f"middle_block.1.{part}" for part in transformer(mid_depth)]
    block = 0
    for level in reversed(range(levels)):
        for i in range(resnets + 1):
            names += [f"output_blocks.{block}.0.{part}" for part in resnet + ["skip_connection"]]
            place = 1
            if level in attention:
                names += [f"output_blocks.{block}.1.{part}" for part in transformer(depths[level])]
                place = 2
            if i == resnets and level > 0:
                names.append(f"output_blocks.{block}.{place}.conv")
            block += 1
    return ["model.diffusion_model." + name for name in names]


def vae(levels, resnets):
    resnet = ["norm1", "conv1", "norm2", "conv2"]
    names = ["quant_conv", "post_quant_conv"]
    for half, blocks, rows in (("encoder", "down", resnets), ("decoder", "up", resnets + 1)):
        names += [f"{half}.{part}" for part in ("conv_in", "norm_out", "conv_out")]
        names += [f"{half}.mid.block_{i}.{part}" for i in (1, 2) for part in resnet]
        names += [f"{half}.mid.attn_1.{part}" for part in ("norm", "q", "k", "v", "proj_out")]
        for level in range(levels):
            for i in range(rows):
                names += [f"{half}.{blocks}.{level}.block.{i}.{part}" for part in resnet]
            names.append(f"{half}.{blocks}.{level}.block.0.nin_shortcut?")
        sampler = "downsample" if half == "encoder" else "upsample"
        names += [f"{half}.{blocks}.{level}.{sampler}.conv" for level in range(levels) if (level + 1 < levels) == (half == "encoder") or (half == "decoder" and level > 0)]
    return ["first_stage_model." + name for name in names]


def open_clip(prefix, layers):
    names = [f"{prefix}positional_embedding", f"{prefix}text_projection", f"{prefix}token_embedding.weight",
             f"{prefix}ln_final.weight", f"{prefix}ln_final.bias"]
    for i in range(layers):
        block = f"{prefix}transformer.resblocks.{i}."
        for part in ("ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj", "attn.out_proj"):
            names += [f"{block}{part}.weight", f"{block}{part}.bias"]
        names += [f"{block}attn.in_proj_weight", f"{block}attn.in_proj_bias"]
    return names
