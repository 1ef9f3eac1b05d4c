/** "Did you mean": the nearest known name to one that isn't known. Pure. */

/** Edits between two words: insertions, deletions, substitutions, and swaps of neighbours (each 1). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** `miniBatchSize`, `Mini-Batch-Size` and `mini_batch_size` are one word with three spellings. */
export function toSnake(word: string): string {
  return word
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();
}

/** Longer words are no keys of ours; measuring them would only take time. */
const WORD_LENGTH_MAX = 60;

/** @returns the known name nearest to `word`, where it is near enough that the word looks like a slip of it. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const spelled = toSnake(word);
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(spelled, toSnake(name));
    const tolerated = Math.max(1, Math.floor(Math.min(spelled.length, name.length) / 3));
    if (distance <= tolerated && (best === undefined || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}
