/** Whether the files of a mini-batch are still what they were when it was made, asked when it is to be handed out. */
import type { TryFailure } from '../domain/failure.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import { bytesOf } from './bytepath.ts';
import { differs, isKnown, stampOf } from './stamp.ts';
import type { FileStamp } from './stamp.ts';
import type { Stamps } from './stamps.ts';
import { InodeWorth, stampedFiles } from './stampedfiles.ts';

export type InputChange = Extract<TryFailure, { kind: 'input-changed' }>;

export interface InputCheckOptions {
  /** Mini-batches from here on are new: what they hold was listed just now. */
  readonly below: number;
  /** A file that has changed is taken as it is now; one that is gone is not. */
  readonly accept: boolean;
  /** Whether inode numbers say anything. */
  readonly inodes: boolean;
  /** A changed file was taken. @param path absolute, as text */
  readonly onAccepted: (index: number, path: string) => void;
}

const decoder = new TextDecoder();

/** Synchronous: some microseconds a file. */
export class InputCheck {
  readonly #stamps: Stamps | undefined;
  readonly #options: InputCheckOptions;
  readonly #inodes: InodeWorth;

  constructor(stamps: Stamps | undefined, options: InputCheckOptions) {
    this.#stamps = stamps;
    this.#options = options;
    this.#inodes = new InodeWorth(options.inodes);
  }

  /** @param source JSON of its `MiniBatchSource`. @returns the first file of it that isn't what it was */
  changeOf(index: MiniBatchIndex, source: Uint8Array): InputChange | undefined {
    if (index >= this.#options.below) return undefined;
    const files = stampedFiles(JSON.parse(decoder.decode(source)) as MiniBatchSource, index, this.#stamps);
    for (const { path, was, position } of files) {
      const is = stampOf(bytesOf(path));
      if (is !== 'gone' && !differs(was, is, this.#inodes.at(path))) continue;
      if (is === 'gone' || !this.#options.accept)
        return {
          kind: 'input-changed',
          path,
          was: isKnown(was) ? shown(was) : 'unknown',
          is: is === 'gone' ? is : shown(is),
        };
      this.#options.onAccepted(index, path);
      // From now on this is what the mini-batch was made from. A table may have others, made from what it was before.
      // Where inodes say nothing the former one stays, so that the next look comes to the same conclusion.
      const stamp = this.#options.inodes ? is : { ...is, inode: was.inode };
      if (position !== undefined) this.#stamps?.replace(position, index, stamp);
    }
    return undefined;
  }
}

const shown = ({ bytes, modifiedMs }: FileStamp): { bytes: number; modifiedMs: number } => ({ bytes, modifiedMs });
