import fc from 'fast-check';
import { referenceRows } from './csvreference.ts';

/** CSV as the world writes it: quotes where they belong and where they don't, all line breaks, blank lines, wide text. */
const plain = fc.constantFrom(
  '',
  'a',
  '1',
  'x y',
  ' ',
  '  b',
  '5" pipe',
  'a"b',
  "'",
  'é',
  '😀',
  '\0',
  '!',
  '#',
  '1.5',
  'a""b',
);
const quoted = fc
  .array(fc.constantFrom('a', ',', '\n', '\r', '\r\n', '""', ' ', ';', 'é', '\n\n', '\t'), { maxLength: 4 })
  .map((parts) => `"${parts.join('')}"`);
const field = fc.oneof(
  { weight: 3, arbitrary: plain },
  { weight: 2, arbitrary: quoted },
  fc.constantFrom('"a"b', '""', '"a"" ', '"x"y"z'),
);
const row = fc.array(field, { minLength: 1, maxLength: 4 }).map((fields) => fields.join(','));
const line = fc.oneof({ weight: 5, arbitrary: row }, fc.constantFrom('', ' ', '\t', ' \t '));
const lineBreak = fc.constantFrom('\n', '\r\n', '\r');

/** Random CSV text without an open quote at its end. */
export const csvText: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.tuple(line, fc.oneof({ weight: 3, arbitrary: fc.constant('\n') }, lineBreak)), { maxLength: 12 }),
    fc.boolean(),
  )
  .map(([lines, lastBreak]) => {
    const text = lines.map(([content, end]) => content + end).join('');
    return lastBreak ? text : text.replace(/(?:\r\n|\n|\r)$/, '');
  })
  .filter((text) => {
    try {
      referenceRows(text);
      return true;
    } catch {
      return false;
    }
  });
