/** Form of the contract table: what existing jobs and scripts count on, and the test that would fail if it broke. */
export interface Held {
  /** From the repository's root. */
  readonly file: string;
  /** Title of the test; of one in Python its function. */
  readonly name: string;
  /** Of a test with many rows: text that stands in the one that is meant. */
  readonly row?: string;
}

/** Either tests hold it, or it is open and says what happens instead. Both: a part of it is open. */
export interface Line {
  readonly line: string;
  readonly holds: readonly Held[];
  readonly open?: string;
}

/** `job/split` is test/job/split.test.ts, `py/shims` is python/tests/test_shims.py. */
export type Short = readonly [file: string, name: string, row?: string];

export const held = (line: string, ...tests: readonly Short[]): Line => ({ line, holds: tests.map(holder) });
export const partly = (line: string, open: string, ...tests: readonly Short[]): Line => ({
  ...held(line, ...tests),
  open,
});

function holder([file, name, row]: Short): Held {
  const path = file.startsWith('py/') ? `python/tests/test_${file.slice(3)}.py` : `test/${file}.test.ts`;
  return { file: path, name, ...(row !== undefined && { row }) };
}
