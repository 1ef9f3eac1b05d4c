import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { streamOutput } from '../../src/cli/output.ts';

/** No descriptor of this number is open, so it is no terminal. */
const FD = 1_000_000;

describe('an output', () => {
  it('writes in order and knows when all is out', async () => {
    const stream = new PassThrough();
    const output = streamOutput(Object.assign(stream, { fd: FD }));
    void output.write('a');
    void output.write(Buffer.from('b'));
    await output.flush();
    expect(String(stream.read())).toBe('ab');
    expect(output).toMatchObject({ isTerminal: false, closed: false });
    expect(output.size()).toEqual({ columns: 80, rows: 24 });
  });

  it('survives a reader that has gone, and writes nothing more', async () => {
    const writes: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        writes.push(String(chunk));
        done(new Error('EPIPE'));
      },
    });
    const output = streamOutput(Object.assign(stream, { fd: FD }));
    await output.write('first');
    await new Promise((resolve) => setImmediate(resolve));
    await output.write('second');
    await output.flush();
    expect(writes).toEqual(['first']);
    expect(output.closed).toBe(true);
  });
});
