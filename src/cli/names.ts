import { unreachable } from '../domain/assert.ts';
import { describeSource, type MiniBatchSource } from '../domain/minibatch.ts';
import type { StoredRun } from './deps.ts';

const CACHED_MAX = 64;

/**
 * Names of mini-batches for the progress window, looked up in the background: drawing never waits, a name shows with
 * the next frame. What can't be looked up stays without a name.
 */
export class MiniBatchNames {
  private readonly names = new Map<number, string | undefined>();
  private run: Promise<StoredRun> | undefined;
  private readonly open: () => Promise<StoredRun>;

  constructor(open: () => Promise<StoredRun>) {
    this.open = open;
  }

  readonly describe = (index: number): string | undefined => {
    if (!this.names.has(index)) void this.look(index);
    return this.names.get(index);
  };

  /** Looks one up and waits for it. */
  async look(index: number): Promise<string | undefined> {
    const oldest = this.names.keys().next();
    if (this.names.size >= CACHED_MAX && oldest.done !== true) this.names.delete(oldest.value);
    this.names.set(index, undefined);
    try {
      this.run ??= this.open();
      const { source } = await (await this.run).manifestEntry(index);
      this.names.set(index, shortName(source));
    } catch {
      // Only a name is missing; the run itself is not concerned.
    }
    return this.names.get(index);
  }
}

/** Like `describeSource` without the folder, which all mini-batches of an input share. */
export function shortName(source: MiniBatchSource): string {
  switch (source.kind) {
    case 'files':
      return source.keys ? describeSource(source) : describeSource({ ...source, root: '', origin: '' }).slice(1);
    case 'rows': {
      const name = source.file.slice(source.file.lastIndexOf('/') + 1);
      return describeSource({ ...source, file: name, ...(source.origin !== undefined && { origin: name }) });
    }
    case 'rank':
      return describeSource(source);
    default:
      return unreachable(source);
  }
}
