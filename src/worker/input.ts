import type { MiniBatchItems } from '../domain/entry.ts';
import type { FailedMessage } from '../domain/protocol.ts';

export type InputError = Extract<FailedMessage['error'], { readonly kind: 'input-error' }>;
/**
 * The items of a hand-out, or why they can't be had; `count` is that of the listing, `item` the position, among the
 * items of the hand-out, of the one that is to blame.
 */
export type ReadItems =
  | { readonly ok: true; readonly items: MiniBatchItems; readonly count: number }
  | { readonly ok: false; readonly error: InputError; readonly count: number; readonly item?: number };

export function inputError(path: string, reason: string, errno?: string): InputError {
  return { kind: 'input-error', path, reason, ...(errno === undefined ? {} : { errno }) };
}
