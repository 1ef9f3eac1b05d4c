import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Folder of the installed package: holds `dist/`, `python/` and `package.json`. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

export const pythonHost = `${PACKAGE_ROOT}/python/host.py`;
/** First of PYTHONPATH of commands. */
export const pythonSites = `${PACKAGE_ROOT}/python/site`;
export const nodeHost = `${PACKAGE_ROOT}/dist/worker/main.js`;

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(`${PACKAGE_ROOT}/package.json`, 'utf8')) as { version: string };
  return version;
}
