import { basename } from 'node:path';
import { count, counted, miniBatches, safeText } from '../../views/text/words.ts';
import type { Verification } from '../../sdk/index.ts';
import type { AccountedMiniBatch } from '../../views/completeness.ts';

/** The account in one line, and how the run stands where it did not complete. */
export function verificationLines(found: Omit<Verification, 'accounts'>): readonly string[] {
  const { items, ok, state, runId, differences } = found;
  const total = `${counted(items.total, 'item')}${items.complete ? '' : ' listed so far'}`;
  const verdict = ok ? basisText(found) : `${counted(differences.length, 'difference')} found, see above`;
  const lines = [`${total}: ${partsOf(found).join(', ')}; ${verdict}`];
  if (state === 'Interrupted') lines.push(`Run ${runId} has not ended: parallelrun resume ${runId}`);
  else if (state !== 'Completed') lines.push(`Run ${runId} ended as ${state}`);
  return lines;
}

/** One mini-batch, one line. */
export function accountLine({ index, items, state, rows, failedItems, reason }: AccountedMiniBatch): string {
  const head = `mini-batch ${index}${items === undefined ? '' : ` (${counted(items, 'item')})`}`;
  const short = failedItems > 0 ? `, ${counted(failedItems, 'item')} without a row` : '';
  if (state === 'failed') return `${head}: failed: ${safeText(reason ?? '')}`;
  if (state === 'pending') return `${head}: not processed`;
  return rows === undefined || rows.to < rows.from
    ? `${head}: done, no row${short}`
    : `${head}: ${rowsText(rows.from, rows.to)}${short}`;
}

function partsOf({ items, miniBatches: batches, rows, checked, shortItems }: Omit<Verification, 'accounts'>): string[] {
  const where = rows === 0 ? 'done, no rows' : `in ${rowsText(1, rows)}${placeText(checked)}`;
  // Rank mini-batches have no items.
  if (items.total === 0 && batches.total > 0)
    return [
      `${count(batches.done)} of ${miniBatches(batches.total)} ${where}`,
      `${count(batches.failed)} failed`,
      `${count(batches.pending)} not processed`,
    ];
  const parts = [`${count(items.succeeded)} ${where}`];
  if (shortItems > 0) parts.push(`${count(shortItems)} failed without a row in mini-batches that returned too few`);
  if (batches.failed > 0) parts.push(`${count(items.failed - shortItems)} failed in ${miniBatches(batches.failed)}`);
  if (items.pending > 0 || batches.pending > 0) parts.push(`${count(items.pending)} not processed`);
  return parts;
}

function placeText(checked: Verification['checked']): string {
  if (checked === undefined) return '';
  return checked.what === 'spool' ? ' of what is committed' : ` of ${safeText(basename(checked.path))}`;
}

function basisText({ checked }: Omit<Verification, 'accounts'>): string {
  if (checked === undefined) return 'the ledger accounts for each of them';
  return checked.what === 'spool' ? 'every byte of it is as committed' : 'every byte of the result is accounted for';
}

const rowsText = (from: number, to: number): string =>
  from === to ? `row ${count(from)}` : `rows ${count(from)} to ${count(to)}`;
