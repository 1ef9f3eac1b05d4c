import type { MiniBatchSource } from '../domain/minibatch.ts';
import { withGroup } from './group/onegroup.ts';
import { copyFor } from './unpack.ts';
import type { CopyContext } from './unpack.ts';

/**
 * A source whose rows can be read, by somebody who makes one mini-batch of an input: with a copy of them, made below this
 * folder, where they need one. @throws DatasetError, or the system's error of the copy
 */
export async function withCopy(
  source: MiniBatchSource,
  folder: string,
  context: CopyContext,
): Promise<MiniBatchSource> {
  if (source.kind !== 'rows') return source;
  if (source.keys) return withGroup(source, folder, context);
  const data = await copyFor(source, folder, context.inputs);
  return data === undefined ? source : { ...source, data };
}
