/** What makes two failures the same one. */
import { expect, test } from 'vitest';
import { signatureOf } from '../../src/domain/signature.ts';

const unreadable = (path: string, reason: string) => signatureOf({ kind: 'input-error', path, reason });

test('rows that cannot be read for the same reason are the same error, wherever they stand', () => {
  expect(unreadable('/in/a.csv', 'row 17, column x: "b" is no int64 (/in/a.csv)')).toBe(
    unreadable('/in/other.csv', 'row 4711, column x: "b" is no int64 (/in/other.csv)'),
  );
  expect(unreadable('/in/a.csv', 'row 17, column x: "b" is no int64')).not.toBe(
    unreadable('/in/a.csv', 'row 17, column y: "b" is no int64'),
  );
});

test('files that the system refuses are told apart by its name for the reason alone', () => {
  const refused = (path: string, errno: string) =>
    signatureOf({ kind: 'input-error', path, reason: 'No such file', errno });
  expect(refused('/a', 'ENOENT')).toBe(refused('/b', 'ENOENT'));
  expect(refused('/a', 'ENOENT')).not.toBe(refused('/a', 'EACCES'));
});
