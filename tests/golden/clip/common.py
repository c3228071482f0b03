"""What the CLIP text encoder cases share."""
import json
import sys
from pathlib import Path

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import fill_weights, write_case  # noqa: E402

PATTERN = (r"text_projection|text_model\.(embeddings|final_layer_norm|encoder\.layers\.\d+"
           r"|encoder\.layers\.0\.(layer_norm[12]|self_attn|mlp))")
NOTES = {
    "input_ids": "token ids, the end token is the largest id",
    "last_hidden_state": "after the final layer norm",
    "penultimate": "input of the last layer, no final layer norm (hidden_states[-2])",
    "pooled": "row of last_hidden_state at the first end token",
    "text_embeds": "text_projection of pooled",
}


def prompts(lengths, context, vocabulary, padding, seed):
    """Start id, random ids, end id, padding: one row per length (of the words alone)."""
    generator = torch.Generator("cpu").manual_seed(seed)
    rows = torch.full((len(lengths), context), padding, dtype=torch.int64)
    for row, length in zip(rows, lengths):
        row[0] = vocabulary - 2
        row[1:length + 1] = torch.randint(1, vocabulary - 2, (length,), generator=generator)
        row[length + 1] = vocabulary - 1
    return rows


def forward(model, inputs):
    result = model(inputs["input_ids"], output_hidden_states=True)
    outputs = {"last_hidden_state": result.last_hidden_state, "penultimate": result.hidden_states[-2]}
    if hasattr(result, "text_embeds"):
        return outputs | {"text_embeds": result.text_embeds}
    return outputs | {"pooled": result.pooler_output}


def make(make_file, about, *, projection, padding, lengths, seed, **config):
    config = CLIPTextConfig(attn_implementation="sdpa", bos_token_id=0, eos_token_id=2, pad_token_id=1, **config)
    model = (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)
    prefix = "" if projection else "text_model."
    fill_weights(model, prefix)
    model.config.architectures = [type(model).__name__]
    saved = json.loads(model.config.to_json_string())
    saved.pop("transformers_version", None)
    ids = prompts(lengths, config.max_position_embeddings, config.vocab_size, padding, seed)
    write_case(make_file, model=model, forward=forward, inputs={"input_ids": ids}, config=saved, about=about,
               notes=NOTES, pattern=PATTERN, prefix=prefix)
