"""Weights by formula, so that goldens carry no weights. The C++ twin must agree bit for bit.

u(seed, i), i = 1, 2, ...   (64-bit wrap-around arithmetic)
    z = seed + i * 0x9E3779B97F4A7C15
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
    z = (z ^ z >> 27) * 0x94D049BB133111EB
    z =  z ^ z >> 31
    u = (z >> 40) * 2^-24                       in [0, 1), exact in float32

fill(name, shape): v[k] = u(FNV1a64(name), k + 1) for the k-th element in row-major order of the checkpoint's own
layout (Linear [out, in], Conv2d [out, in, kh, kw]). `name` is the name in the published checkpoint file of the part,
e.g. "down_blocks.0.resnets.0.conv1.weight" or "text_model.final_layer_norm.bias".
The value is computed in double from v by the first rule that fits, then rounded once to float32:

    1. name ends with ".bias"                                             0.4 * (v - 0.5)
    2. fewer than two dimensions (norm weights)                           0.75 + 0.5 * v
    3. name ends with "token_embedding.weight" / "position_embedding.weight"
                                                                          0.5 * (2 * v - 1)
    4. name ends with ".to_q.weight" ".to_k.weight" ".q_proj.weight" ".k_proj.weight"
                                                                          (2 * v - 1) * (1.5 * sqrt(3 / fan_in))
    5. everything else                                                    (2 * v - 1) * sqrt(3 / fan_in)

fan_in = product of shape[1:]. Rule 4 sharpens attention, rules 1 and 2 keep norms away from the identity: a forgotten
scale, bias or affine shows at once.
"""
import numpy as np

_SHARP = (".to_q.weight", ".to_k.weight", ".q_proj.weight", ".k_proj.weight")
_EMBEDDING = ("token_embedding.weight", "position_embedding.weight")


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def uniform(seed, count):
    """count values u(seed, 1), u(seed, 2), ... as float64."""
    z = np.arange(1, count + 1, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-24


def fill(name, shape):
    """The float32 array of a parameter."""
    v = uniform(fnv1a64(name), int(np.prod(shape, dtype=np.int64)))
    if name.endswith(".bias"):
        v = 0.4 * (v - 0.5)
    elif len(shape) < 2:
        v = 0.75 + 0.5 * v
    elif name.endswith(_EMBEDDING):
        v = 0.5 * (2 * v - 1)
    else:
        bound = np.sqrt(3.0 / np.prod(shape[1:], dtype=np.int64))
        v = (2 * v - 1) * (1.5 * bound if name.endswith(_SHARP) else bound)
    return v.astype(np.float32).reshape(shape)
