// Draws every icon of the five sets on white at 128x128.
// usage: node render.mjs NODE_MODULES_PARENT OUT
// writes OUT/images.bin (uint8, N x 128 x 128 x 3), OUT/captions.jsonl (one line an icon, same order)
// and OUT/words.json (labels and tags of every emoji in emojibase).
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [parent, out] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(parent), 'package.json'));
const sharp = require('sharp');
const SIZE = 128;
const SETS = new Map([
  ['noto', 'noto'],
  ['fluent-emoji-flat', 'fluent flat'],
  ['fluent-emoji', 'fluent 3d'],
  ['fxemoji', 'firefox'],
  ['twemoji', 'twemoji'],
]);

const readJson = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const slug = (text) => text.toLowerCase().match(/[a-z0-9]+/g)?.join('-') ?? '';

function emojibaseByName() {
  const byName = new Map();
  for (const emoji of readJson(require.resolve('emojibase-data/en/data.json'))) {
    for (const shape of [emoji, ...(emoji.skins ?? [])]) {
      byName.set(slug(shape.label), {
        label: shape.label, tags: emoji.tags ?? [], group: emoji.group ?? null });
    }
  }
  return byName;
}

function svgOf(icon, set) {
  const width = icon.width ?? set.width ?? 16;
  const height = icon.height ?? set.height ?? 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `viewBox="${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}" ` +
    `width="${SIZE}" height="${SIZE}">${icon.body}</svg>`;
}

async function pixelsOf(svg) {
  const { data, info } = await sharp(Buffer.from(svg), { density: 72 })
    .flatten({ background: '#ffffff' }).resize(SIZE, SIZE).removeAlpha().toColourspace('srgb')
    .raw().toBuffer({ resolveWithObject: true });
  if (data.length !== SIZE * SIZE * 3) throw new Error(`${info.width}x${info.height}x${info.channels}`);
  return data;
}

async function main() {
  sharp.concurrency(1);
  const emojibase = emojibaseByName();
  fs.mkdirSync(out, { recursive: true });
  fs.writeFileSync(path.join(out, 'words.json'), JSON.stringify([...emojibase.values()]));
  const images = fs.openSync(path.join(out, 'images.bin.tmp'), 'w');
  const lines = [];
  for (const [name, style] of SETS) {
    const set = readJson(require.resolve(`@iconify-json/${name}/icons.json`));
    for (const [icon, shape] of Object.entries(set.icons)) {
      if (shape.hidden || icon.length < 2) continue;
      try {
        fs.writeSync(images, await pixelsOf(svgOf(shape, set)));
      } catch (error) {
        console.error(`${name}/${icon}: not drawn: ${error.message}`);
        continue;
      }
      const known = emojibase.get(icon) ??
        { label: icon.replaceAll('-', ' '), tags: [], group: null };
      lines.push(JSON.stringify({ i: lines.length, style, name: icon, ...known }));
    }
    console.log(`${name}: ${lines.length} pictures so far`);
  }
  fs.closeSync(images);
  fs.renameSync(path.join(out, 'images.bin.tmp'), path.join(out, 'images.bin'));
  fs.writeFileSync(path.join(out, 'captions.jsonl'), lines.join('\n') + '\n');
}

await main();
