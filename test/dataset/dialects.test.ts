/** Quotes of their own, escapes, comments: rows are those of pandas, types and slices agree on them. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordScanner } from '../../src/dataset/table/recordscan.ts';
import type { FieldScanner, FieldSink } from '../../src/domain/dialect.ts';
import { RowCutter } from '../../src/dataset/table/rowcutter.ts';
import { DialectScanner } from '../../src/domain/dialect.ts';
import type { CsvDialect } from '../../src/domain/plan.ts';
import { csvText } from './csvtext.ts';

const python = process.env.PARALLELRUN_TEST_PYTHON;

/** Without bare carriage returns: behind one pandas reads what isn't there. */
const text = fc
  .array(
    fc.constantFrom(
      ...['a', '1', ' ', '\n', '\r\n', ',', ';', '|', '"', "'", '\\', '#', '\n#', '""', "''", '\\"', '\\\n', 'x', 'é'],
      ...[',"', "'"],
    ),
    { maxLength: 24 },
  )
  .map((parts) => parts.join(''));
const dialect = fc.record({
  delimiter: fc.constantFrom(',', ';', '|'),
  header: fc.constant(false),
  quote: fc.constantFrom('"', "'", ''),
  escape: fc.constantFrom('', '\\'),
  comment: fc.constantFrom('', '#'),
});

class Rows implements FieldSink {
  readonly rows: string[][] = [];
  private fields: string[] = [];
  beginRow(): void {
    this.fields = [];
  }
  field(column: number, bytes: Buffer, start: number, end: number): void {
    this.fields[column] = bytes.toString('utf8', start, end);
  }
  endRow(): boolean {
    this.rows.push([...this.fields]);
    return true;
  }
}

/** Hands over a growing part of the text, as files are read. */
function scanned(make: (sink: FieldSink) => FieldScanner, content: string, chunkBytes: number): string[][] | 'fault' {
  const bytes = Buffer.from(content);
  const sink = new Rows();
  const scanner = make(sink);
  let at = 0;
  for (let end = chunkBytes; end < bytes.length; end += chunkBytes)
    at = scanner.scan(bytes.subarray(0, end), at, false);
  return scanner.scan(bytes, at, true) < bytes.length ? 'fault' : sink.rows;
}

function cutRows(content: string, csv: CsvDialect, chunkBytes: number): number | 'fault' {
  const bytes = Buffer.from(content);
  const cutter = new RowCutter({ ...csv, limits: { rows: 1, bytes: Infinity }, start: 0 });
  let rows = 0;
  for (let at = 0; at < bytes.length; at += chunkBytes) rows += cutter.push(bytes.subarray(at, at + chunkBytes)).length;
  rows += cutter.finish().length;
  return cutter.fault ? 'fault' : rows;
}

const PANDAS = `
import io, json, sys
import pandas as pd
for line in sys.stdin:
    text, d = json.loads(line)
    try:
        frame = pd.read_csv(io.StringIO(text, newline=''), header=None, names=list(range(30)), sep=d['delimiter'],
                            quotechar=d['quote'] or '"', quoting=0 if d['quote'] else 3, escapechar=d['escape'] or None,
                            comment=d['comment'] or None, engine='c', dtype=str, keep_default_na=False, na_values=[])
        print(json.dumps([[None if v != v else v for v in row] for row in frame.itertuples(index=False)]))
    except Exception as error:
        print(json.dumps(type(error).__name__))
`;

describe('any text', () => {
  test.skipIf(python === undefined)('has the rows and fields that pandas reads', () => {
    const cases = fc.sample(fc.tuple(text, dialect), 3000);
    const input = cases.map((each) => JSON.stringify(each)).join('\n');
    const output = execFileSync(python ?? '', ['-c', PANDAS], { input, maxBuffer: 1 << 28 });
    const read = output
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as (string | null)[][] | string);
    let compared = 0;
    for (const [i, [content, csv]] of cases.entries()) {
      const expected = read[i];
      if (typeof expected !== 'object') continue;
      compared += 1;
      const rows = scanned((sink) => new DialectScanner(csv, sink), content, 1 + (i % 7));
      const padded = expected.map((row) => row.map((field) => field ?? ''));
      const width = padded[0]?.length ?? 0;
      expect(
        rows === 'fault' ? rows : rows.map((fields) => Array.from({ length: width }, (_, c) => fields[c] ?? '')),
        JSON.stringify([content, csv]),
      ).toEqual(padded);
      expect(cutRows(content, csv, 1 + (i % 5)), JSON.stringify([content, csv])).toBe(expected.length);
    }
    expect(compared).toBeGreaterThan(1500);
  });

  test('is cut and scanned into as many rows, whatever the chunks', () => {
    const size = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(text, dialect, size, size, (content, csv, a, b) => {
        const rows = scanned((sink) => new DialectScanner(csv, sink), content, a);
        // behind an escape the file must go on: the cutter leaves that to who reads the row
        fc.pre(csv.escape === '' || !content.endsWith('\\'));
        expect(cutRows(content, csv, b)).toBe(rows === 'fault' ? rows : rows.length);
      }),
      { numRuns: 1000 },
    );
  });

  test('of the plain dialect is what the fast scanner makes of it', () => {
    fc.assert(
      fc.property(csvText, fc.integer({ min: 1, max: 12 }), (content, chunkBytes) => {
        const csv = { delimiter: ',', header: false };
        expect(scanned((sink) => new DialectScanner(csv, sink), content, chunkBytes)).toEqual(
          scanned((sink) => new RecordScanner(',', sink), content, chunkBytes),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
