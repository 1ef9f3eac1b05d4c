import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTableSlice } from '../../src/worker/table.ts';
import { scratchFolder } from '../dataset/scratch.ts';

test('numbers of JSON Lines are what they are, whatever their digits', async () => {
  const file = join(scratchFolder(), 'a.jsonl');
  // A whole number that a double can't be trusted with comes as bigint.
  const read = (text: string): number | bigint =>
    /^-?\d+$/.test(text) && !Number.isSafeInteger(Number(text)) ? BigInt(text) : Number(text);
  const numbers = fc
    .oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }).map(String),
    )
    .map((text) => [text, read(text)] as const);
  await fc.assert(
    fc.asyncProperty(fc.array(numbers, { minLength: 1 }), async (written) => {
      const text = written.map(([number]) => `{"x":${number},"t":"1234567890123456789"}\n`).join('');
      writeFileSync(file, text);
      const rows = written.length;
      const source = { kind: 'rows', file, start: 0, end: text.length, firstRow: 0, rows, table: 0 } as const;
      const columns = [
        { name: 'x', type: 'json' },
        { name: 't', type: 'string' },
      ] as const;
      const found = await readTableSlice(source, { format: 'jsonl', schema: { columns } }, { from: 0, to: rows });
      expect(found.ok ? '' : found.error.reason).toBe('');
      const values = found.ok && 'rows' in found.items ? found.items.rows.map(({ x }) => x) : [];
      expect(values).toEqual(written.map(([, value]) => (value === 0 ? 0 : value)));
    }),
    { examples: [[[['0.3333333333333333', 1 / 3]]], [[['12345678901234567.5', 12345678901234567.5]]]] },
  );
});
