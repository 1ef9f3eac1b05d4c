/** Which names a result file may have. Pure. */
import type { SourceLocation } from '../domain/problem.ts';
import type { Problems } from './problems.ts';
import { describeFound } from './values.ts';

const FORBIDDEN_CHARACTERS = '~"#%&*:<>?/\\{|}';
const FORBIDDEN_NAME = /[~"#%&*:<>?/\\{|}\p{Cc}]/u;
const NAME_BYTES_MAX = 255;

/** @returns false for a name that no result file may have; reported */
export function checkResultName(name: string, where: SourceLocation, problems: Problems): boolean {
  const impossible = FORBIDDEN_NAME.test(name) || ['', '.', '..'].includes(name);
  const long = Buffer.byteLength(name) > NAME_BYTES_MAX;
  if (!impossible && !long) return true;
  problems.error('PR5203', 'the name of the result file is not a possible one', {
    where,
    why: `found ${describeFound(name)}; allowed: a name without ${FORBIDDEN_CHARACTERS}, of at most ${NAME_BYTES_MAX} bytes`,
    next: name.includes('/') ? 'name the folder with --output, and only the file here' : 'choose another name',
  });
  return false;
}
