#!/usr/bin/env python3
"""Seeds of fuzz_quantized: small files of one layer, 20 outputs of 40 inputs, as docs/format.md describes them."""
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
OUTPUTS, INPUTS, PANEL, PADDED, RATIO = 20, 40, 16, 64, 1161
PANELS = -(-OUTPUTS // PANEL)


def write(name, record, tensors):
    header, data = {"__metadata__": {"nibble.layers": json.dumps({"layer": record})}}, b""
    for tensor, (dtype, shape, content) in tensors.items():
        header[tensor if "." in tensor else f"layer.{tensor}"] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (HERE / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def codes(count):
    return bytes(17 * i % 251 for i in range(count))


def main():
    scales = struct.pack("<f", 0.01) * (PANELS * PANEL)
    record = {"weights": "int4", "activations": "int8", "group": 64, "rank": 0, "shift": 0, "smoothed": False, "error": 0.01}
    count = PANELS * PANEL * PADDED
    four = {"codes": ("U8", [count // 2], codes(count // 2)), "scales": ("F32", [PANELS * PANEL], scales),
            "ratios": ("I16", [PANELS * PANEL], struct.pack("<h", RATIO) * (PANELS * PANEL))}
    write("int4", record, four)
    rank = 2
    branch = {"input_scale": ("F32", [INPUTS], struct.pack("<f", 0.5) * INPUTS),
              "down": ("BF16", [rank, INPUTS, 1, 1], b"\x00\x3c" * (rank * INPUTS)),
              "up": ("BF16", [PANELS, rank, PANEL], b"\x00\x3c" * (PANELS * rank * PANEL)),
              "bias": ("F32", [OUTPUTS], bytes(4 * OUTPUTS))}
    branched = record | {"activations": "int4", "rank": rank, "shift": 0.2734375, "smoothed": True}
    write("branch", branched, four | branch)
    branch["other.down"] = branch.pop("down")
    write("shared", branched | {"down_of": "other"}, four | branch)
    write("int8", record | {"weights": "int8"}, {"codes": ("U8", [count], codes(count)), "scales": four["scales"]})


if __name__ == "__main__":
    main()
