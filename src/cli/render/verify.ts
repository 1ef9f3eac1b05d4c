import { basename } from 'node:path';
import { count, counted, itemsText, miniBatches, safeText } from '../../views/text/words.ts';
import type { MiniBatchAccount, NamedDeadAccount, Verification } from '../../sdk/index.ts';

/** The account in one line, and how the run stands where it did not complete. */
export function verificationLines(found: Omit<Verification, 'accounts'>): readonly string[] {
  const { items, ok, state, runId, differences, leftOut } = found;
  const total = `${counted(items.total, 'item')}${items.complete ? '' : ' listed so far'}`;
  const verdict = ok ? basisText(found) : `${counted(differences.length, 'difference')} found, see above`;
  const lines = [`${total}: ${partsOf(found).join(', ')}; ${verdict}`];
  lines.push(...leftOutLines(leftOut));
  if (state === 'Interrupted') lines.push(`Run ${runId} has not ended: parallelrun resume ${runId}`);
  else if (state !== 'Completed') lines.push(`Run ${runId} ended as ${state}`);
  return lines;
}

/** A line for each of the files, as far as they are named. */
function leftOutLines({ files, first }: Verification['leftOut']): readonly string[] {
  const lines = first.map(
    ({ path, rows, reason }) => `${counted(rows, 'row')} of ${safeText(path)} left out: ${safeText(reason)}`,
  );
  return files > first.length
    ? [...lines, `and rows of ${counted(files - first.length, 'more file', 'more files')}`]
    : lines;
}

/** One mini-batch, one line; below it a line for each reason of its dead letters. */
export function accountLines(account: MiniBatchAccount): readonly string[] {
  const { index, items, dead = [] } = account;
  const head = `mini-batch ${index}${items === undefined ? '' : ` (${counted(items, 'item')})`}`;
  return [`${head}: ${accountText(account)}`, ...dead.map((range) => `  ${deadText(range)}`)];
}

function accountText({ state, rows, failedItems, reason, dead = [] }: MiniBatchAccount): string {
  const letters = dead.reduce((sum, { from, to }) => sum + (to - from), 0);
  if (state === 'failed')
    return letters > 0 ? `failed, ${counted(letters, 'dead letter')}` : `failed: ${safeText(reason ?? '')}`;
  if (state === 'pending') return 'not processed';
  const short = failedItems - letters;
  return [
    rows === undefined || rows.to < rows.from ? 'done, no row' : rowsText(rows.from, rows.to),
    ...(letters > 0 ? [counted(letters, 'dead letter')] : []),
    ...(short > 0 ? [`${counted(short, 'item')} without a row`] : []),
  ].join(', ');
}

/** `item 7 (/data/img_037.png): ValueError: bad`. */
function deadText(range: NamedDeadAccount): string {
  const { item, reason } = range;
  const many = range.to - range.from > 1;
  const name = item === undefined ? '' : ` (${safeText(item)}${many ? ', ...' : ''})`;
  return `${itemsText(range)}${name}: ${safeText(reason)}`;
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
  if (items.deadLetters > 0) parts.push(counted(items.deadLetters, 'dead letter'));
  // The others have nothing but dead letters, which are named.
  const whole = batches.failed - batches.allDead;
  const wholeItems = items.failed - items.deadLetters - shortItems;
  if (whole > 0) parts.push(`${count(wholeItems)} failed in ${miniBatches(whole)}`);
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
