export type EntryKind = 'typescript' | 'javascript';

/** What an entry script for Node is, by the end of its name; undefined for anything else. */
export function entryKind(file: string): EntryKind | undefined {
  if (/\.(?:ts|mts|cts|tsx)$/.test(file)) return 'typescript';
  return /\.(?:js|mjs|cjs)$/.test(file) ? 'javascript' : undefined;
}
