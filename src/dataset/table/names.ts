/**
 * Column names as pandas gives them: an empty one becomes `Unnamed: <position>`, a repeated one gets `.1`, `.2`, ...
 * Where such a name is taken, counting goes on; names that were written win over names that were made.
 */
export function columnNames(header: readonly string[]): string[] {
  const names = header.map((name, i) => (name === '' ? `Unnamed: ${i}` : name));
  const written = [...names.keys()].filter((i) => header[i] !== '');
  const made = [...names.keys()].filter((i) => header[i] === '');
  return distinct(names, [...written, ...made]);
}

function distinct(names: string[], order: readonly number[]): string[] {
  // what is in the header now: a made name must not meet any other, before or after it
  const present = new Map<string, number>();
  for (const name of names) present.set(name, (present.get(name) ?? 0) + 1);
  const used = new Map<string, number>();
  for (const i of order) {
    const original = names[i] ?? '';
    let name = original;
    let count = used.get(name) ?? 0;
    while (count > 0) {
      used.set(original, count + 1);
      name = `${original}.${count}`;
      count = present.has(name) ? count + 1 : (used.get(name) ?? 0);
    }
    if (name !== original) {
      present.set(original, (present.get(original) ?? 1) - 1);
      present.set(name, (present.get(name) ?? 0) + 1);
      names[i] = name;
    }
    used.set(name, count + 1);
  }
  return names;
}

/** Names of the columns of tables without a header. */
export function numberedNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `Column${i + 1}`);
}
