#!/bin/sh
# Remakes the built-in model: pictures, tokenizer, autoencoder, latents, UNet, export.
# usage: training/builtin/run.sh [OUT]      (default OUT: models/emoji)
# Every stage resumes from what it left; stop it at any time and start it again.
# NIBBLE_EMOJI_HOME  working folder, about 1.5 GB  (default ~/.cache/nibble/emoji)
# VAE_MINUTES, TEXT_MINUTES, UNET_MINUTES, DECODER_MINUTES, THREADS
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${NIBBLE_EMOJI_HOME:-$HOME/.cache/nibble/emoji}
out=${1:-$root/models/emoji}
threads=${THREADS:-$(nproc)}
mkdir -p "$home"

python=${PYTHON:-$home/venv/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv "$home/venv"
  "$home/venv/bin/pip" install -q -r "$here/requirements.txt"
fi
export OMP_WAIT_POLICY=passive
run() { nice -n 19 "$python" "$here/$@"; }

if [ ! -f "$home/data/images.bin" ]; then
  cp "$here/package.json" "$home/"
  (cd "$home" && npm install --no-audit --no-fund)
  node "$here/render.mjs" "$home" "$home/data"
fi
run captions.py "$home/data"
[ -f "$home/tokenizer/merges.txt" ] || run tokenizer.py "$home/data" "$home/tokenizer"
if [ ! -f "$home/vae-frozen.pt" ]; then
  run train_vae.py --home "$home" --minutes "${VAE_MINUTES:-55}" --threads "$threads"
fi
run latents.py --home "$home" --workers "$threads"
[ -f "$home/unet.pt" ] || run train_text.py --home "$home" --minutes "${TEXT_MINUTES:-16}"
run train_unet.py --home "$home" --until "${UNET_MINUTES:-600}" --decay-minutes 60 --workers "$threads"
run train_vae.py --home "$home" --decoder-only --minutes "${DECODER_MINUTES:-60}" \
  --threads "$threads"
run export.py --home "$home" --out "$out"
run captions_table.py --home "$home" --out "$out/captions.tsv"
run sheet.py --model "$out" --out "$home/sheet.png" --threads "$threads"
