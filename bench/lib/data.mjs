/** Input of the benchmarks, made once below .cache/bench/data and used again. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, run, say } from '../../scripts/lib.mjs';
import { outcomesOf, timeline, triesOf } from './runlog.mjs';
import { python, scripts } from './peers.mjs';

const data = join(cache, 'bench', 'data');
const FILES_A_FOLDER = 1000;
const END_BYTES = 64 * 1024;

/** Path of file `i`, relative to its tree: a thousand a folder. */
export function nameOf(i) {
  const digits = (n, length) => String(n).padStart(length, '0');
  return `${digits(Math.floor(i / FILES_A_FOLDER), 4)}/file-${digits(i % FILES_A_FOLDER, 3)}.txt`;
}

/** Made under another name first: a tree that is there is whole. */
function once(name, make) {
  const path = join(data, name);
  if (existsSync(path)) return path;
  say(`Making .cache/bench/data/${name}`);
  const draft = `${path}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  make(draft);
  renameSync(draft, path);
  return path;
}

function tree(folder, count, write) {
  for (let i = 0; i < count; i++) {
    if (i % FILES_A_FOLDER === 0) mkdirSync(join(folder, nameOf(i), '..'), { recursive: true });
    write(join(folder, nameOf(i)), i);
  }
}

/** Stands before names of files that nobody opens. */
export const noFolder = join(data, 'names-0000000');

/** @returns a folder with so many empty files: for work that looks at names only */
export const names = (count) =>
  once(`names-${count}`, (folder) => tree(folder, count, (path) => closeSync(openSync(path, 'w'))));

/** @returns a folder with so many files of 4 KiB, no two alike */
export const smallFiles = (count) =>
  once(`small-${count}`, (folder) => {
    const block = Buffer.alloc(4096, 'benchmark ');
    tree(folder, count, (path, i) => {
      block.writeUInt32LE(i, 0);
      writeFileSync(path, block);
    });
  });

/** @returns folder with table.csv, table.parquet, the CSV again in 16 pieces, and the models */
export const table = (rows) =>
  once(`table-${rows}`, (folder) => run(python, [join(scripts, 'make_table.py'), folder, String(rows)]));

/** First and last lines of a log, which may have hundreds of megabytes. */
function ends(path) {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const part = (from, to) => {
      const bytes = Buffer.alloc(Math.max(0, to - from));
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from)).toString();
    };
    const head = part(0, Math.min(size, END_BYTES));
    return size <= END_BYTES ? head : `${head}\n${part(Math.max(END_BYTES, size - END_BYTES), size)}`;
  } finally {
    closeSync(file);
  }
}

/**
 * Times of a run from its folder, ms since the epoch.
 * @returns those of `timeline`, the first and last of all workers, and each worker with the number of its tries
 */
export function timesOf(folder) {
  const logs = join(folder, 'logs');
  const tries = triesOf(readFileSync(join(logs, 'job_report/process_summary.csv'), 'utf8'));
  const workers = readdirSync(join(logs, 'worker')).flatMap((node) =>
    readdirSync(join(logs, 'worker', node)).flatMap((file) => {
      const found = outcomesOf(ends(join(logs, 'worker', node, file)));
      return found === undefined ? [] : [{ ...found, tries: tries.get(file.replace('.txt', '')) ?? 0 }];
    }),
  );
  const [begun, first, last] = ['begun', 'first', 'last'].map((key) => workers.map((worker) => worker[key]));
  return {
    ...timeline(readFileSync(join(logs, 'master.txt'), 'utf8')),
    ...{ firstBegun: Math.min(...begun), firstOutcome: Math.min(...first), lastOutcome: Math.max(...last), workers },
  };
}
