import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameDecoder, FrameError, encodeFrame } from '../../src/domain/frame.ts';
import type { Frame } from '../../src/domain/frame.ts';

interface Vector {
  readonly name: string;
  readonly header?: Record<string, unknown>;
  readonly bodyHex?: string;
  readonly frameHex?: string;
  readonly brokenHex?: string;
}

const VECTORS = new URL('../../protocol/vectors.json', import.meta.url);
const vectors = existsSync(VECTORS) ? (JSON.parse(readFileSync(VECTORS, 'utf8')) as readonly Vector[]) : [];

/** All whole frames in these bytes, pushed in pieces of the given sizes. */
function decode(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    decoder.push(bytes.subarray(at, at + size));
    at += size;
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) frames.push(frame);
  }
  expect(decoder.pending).toBe(0);
  return frames;
}

describe('vectors shared with the Python host', () => {
  test('are there', () => {
    expect(vectors.length).toBeGreaterThan(20);
  });

  test.each(vectors.filter((vector) => vector.frameHex !== undefined))('$name', ({ header, bodyHex, frameHex }) => {
    const bytes = Buffer.from(frameHex ?? '', 'hex');
    for (const sizes of [[bytes.length], [1], [7, 3]]) {
      const [frame, ...rest] = decode(bytes, sizes);
      expect(rest).toEqual([]);
      expect(frame?.header).toEqual(header);
      expect(Buffer.from(frame?.body ?? []).toString('hex')).toBe(bodyHex ?? '');
    }
    const again = decode(encodeFrame(header ?? {}, Buffer.from(bodyHex ?? '', 'hex')));
    expect(again[0]?.header).toEqual(header);
  });

  test.each(vectors.filter((vector) => vector.brokenHex !== undefined))('$name', ({ brokenHex }) => {
    expect(() => decode(Buffer.from(brokenHex ?? '', 'hex'))).toThrow(FrameError);
  });
});

describe('frames', () => {
  test('survive any cutting of the stream, lone surrogates included', () => {
    const frame = fc.record({
      header: fc.dictionary(
        fc.string({ unit: 'binary' }),
        fc.oneof(fc.string(), fc.integer(), fc.constant('\ud800x\udfff')),
      ),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), sizes, (frames, cuts) => {
        const sent = frames.map(({ header, body }) => ({ header: { ...header, m: 'x' }, body }));
        const stream = Buffer.concat(sent.map(({ header, body }) => encodeFrame(header, body)));
        const received = decode(stream, cuts);
        expect(received.map(({ header }) => JSON.stringify(header))).toEqual(
          sent.map(({ header }) => JSON.stringify(header)),
        );
        expect(received.map(({ body }) => Buffer.from(body))).toEqual(sent.map(({ body }) => Buffer.from(body)));
      }),
    );
  });

  test('a header is ASCII whatever it says', () => {
    const bytes = encodeFrame({ m: 'x', text: 'é\u2028😀\udce9' });
    expect(bytes.every((byte) => byte < 128)).toBe(true);
    expect(decode(bytes)[0]?.header).toEqual({ m: 'x', text: 'é\u2028😀\udce9' });
  });

  test('a body is a view on what was received', () => {
    const bytes = encodeFrame({ m: 'x' }, new Uint8Array([1, 2, 3]));
    expect(decode(bytes)[0]?.body.buffer).toBe(bytes.buffer);
  });

  test('a header beyond the limit is refused by the sender', () => {
    expect(() => encodeFrame({ m: 'x', text: 'y'.repeat(4 * 1024 * 1024) })).toThrow(FrameError);
  });
});
