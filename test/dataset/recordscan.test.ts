import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordScanner } from '../../src/dataset/table/recordscan.ts';
import type { FieldSink } from '../../src/domain/dialect.ts';
import { referenceRows } from './csvreference.ts';
import { csvText } from './csvtext.ts';

class Rows implements FieldSink {
  readonly rows: string[][] = [];
  #row: string[] = [];
  beginRow(): void {
    this.#row = [];
  }
  field(column: number, bytes: Buffer, start: number, end: number): void {
    expect(column).toBe(this.#row.length);
    this.#row.push(bytes.toString('utf8', start, end));
  }
  endRow(fields: number): boolean {
    expect(fields).toBe(this.#row.length);
    this.rows.push(this.#row);
    return true;
  }
}

/** Feeds the text in chunks, keeping what was left over, as a reader of a file does. */
function scan(text: string, chunkBytes: number): string[][] {
  const bytes = Buffer.from(text);
  const sink = new Rows();
  const scanner = new RecordScanner(',', sink);
  let rest = Buffer.alloc(0);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Buffer.concat([rest, bytes.subarray(at, at + chunkBytes)]);
    rest = chunk.subarray(scanner.scan(chunk, 0, false));
  }
  expect(scanner.scan(rest, 0, true)).toBe(rest.length);
  return sink.rows;
}

test('any text, any chunk: the fields of the reference', () => {
  fc.assert(
    fc.property(csvText, fc.integer({ min: 1, max: 30 }), (text, chunkBytes) => {
      expect(scan(text, chunkBytes)).toEqual(referenceRows(text));
    }),
    { numRuns: 1500 },
  );
});

test('an open quote is an end short of the end', () => {
  const bytes = Buffer.from('1,2\n3,"x\n4,5\n');
  const sink = new Rows();
  expect(new RecordScanner(',', sink).scan(bytes, 0, true)).toBe(4);
  expect(sink.rows).toEqual([['1', '2']]);
});

test('a sink that has enough stops the scan after its row', () => {
  const sink = new Rows();
  const once: FieldSink = {
    beginRow: () => sink.beginRow(),
    field: (...field) => sink.field(...field),
    endRow: (fields) => !sink.endRow(fields),
  };
  expect(new RecordScanner(',', once).scan(Buffer.from('1,2\r\n3,4\r\n'), 0, true)).toBe(5);
  expect(sink.rows).toEqual([['1', '2']]);
});
