/** The packages of Node that this repository needs. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say } from './lib.mjs';

/** `npm ci`, unless node_modules is what package-lock.json asks for. */
export function installNodePackages() {
  if (nodePackagesAreCurrent()) return;
  say('Installing the packages of Node (npm ci)');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

function nodePackagesAreCurrent() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return false;
  const { '': _self, ...wanted } = read('package-lock.json');
  const installed = read('node_modules/.package-lock.json');
  // Packages for other platforms are in the one list and not in the other.
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => installed[path]?.version === version || (optional && !installed[path]),
  );
}
