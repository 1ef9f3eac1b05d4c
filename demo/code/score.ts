/**
 * Entry script: says which digit each image shows. The same as score.py, with the same weights.
 *
 * An image that can't be read is named on standard error and left out, so that it counts as one failed item and
 * its neighbours keep their rows.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { BrokenImage, readGrey } from './png.ts';

interface Layer {
  /** Inputs times outputs. */
  readonly weights: readonly (readonly number[])[];
  readonly biases: readonly number[];
}

let layers: readonly Layer[] = [];

/** Loads the model once per worker process. */
export function init(): void {
  const { values } = parseArgs({ options: { model: { type: 'string' } }, strict: false });
  if (typeof values.model !== 'string') throw new Error('--model FOLDER is missing');
  layers = (JSON.parse(readFileSync(join(values.model, 'digits.json'), 'utf8')) as { layers: Layer[] }).layers;
  console.log(`model loaded from ${values.model}`);
}

/** Takes paths of images, returns a row `name,digit,confidence` for each one that can be read. */
export function run(miniBatch: readonly string[]): string[] {
  const rows: string[] = [];
  for (const path of miniBatch) {
    try {
      const { digit, confidence } = classify(path);
      rows.push(`${basename(path)},${digit},${confidence.toFixed(4)}`);
    } catch (error) {
      if (!(error instanceof BrokenImage)) throw error;
      console.error(`unreadable image ${basename(path)}: ${error.message}`);
    }
  }
  return rows;
}

function classify(path: string): { digit: number; confidence: number } {
  const { width, height, pixels } = readGrey(path);
  if (width !== 28 || height !== 28) {
    throw new BrokenImage(`it has ${width} x ${height} pixels instead of 28 x 28`);
  }
  let values = Array.from(pixels, (pixel) => pixel / 255);
  layers.forEach((layer, i) => {
    values = apply(layer, values);
    // All layers but the last one cut off what is below zero.
    if (i < layers.length - 1) values = values.map((value) => Math.max(0, value));
  });
  const highest = Math.max(...values);
  const weights = values.map((value) => Math.exp(value - highest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { digit: values.indexOf(highest), confidence: 1 / sum };
}

function apply(layer: Layer, inputs: readonly number[]): number[] {
  const outputs = [...layer.biases];
  inputs.forEach((input, i) => {
    if (input === 0) return;
    layer.weights[i]?.forEach((weight, o) => {
      outputs[o] = (outputs[o] ?? 0) + input * weight;
    });
  });
  return outputs;
}
