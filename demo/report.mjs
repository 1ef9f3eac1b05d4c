/** What the demo finds out about a finished run, from its files alone. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Share of right digits, from the output file and the truth. */
export function accuracy(outputFile, labelsFile) {
  const truth = new Map(lines(labelsFile).map((line) => line.split(',')));
  const rows = lines(outputFile).map((line) => line.split(','));
  const right = rows.filter(([name, digit]) => truth.get(name) === digit).length;
  return { right, rows: rows.length, images: truth.size - 1, share: right / rows.length };
}

/** Compares the output with what a plain loop wrote, byte for byte. */
export function compareRows(outputFile, loopFile) {
  const same = readFileSync(outputFile).equals(readFileSync(loopFile));
  const ours = lines(outputFile);
  const theirs = lines(loopFile);
  const differing = Math.max(ours.length, theirs.length) - ours.filter((row, i) => row === theirs[i]).length;
  return { same, rows: ours.length, differing };
}

/** The images that the script named as unreadable, with the reason and the log they stand in. */
export function brokenImages(runFolder) {
  const found = new Map();
  for (const file of filesBelow(join(runFolder, 'logs', 'user'))) {
    for (const line of lines(file)) {
      const [, name, reason] = /unreadable image (\S+): (.*)$/.exec(line) ?? [];
      if (name) found.set(name, { name, reason, file });
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether exactly the files that the demo broke were named. */
export function isWholeList(broken, brokenFile) {
  const expected = JSON.parse(readFileSync(brokenFile, 'utf8'));
  return JSON.stringify(broken.map(({ name }) => basename(name))) === JSON.stringify(expected);
}

function lines(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
