/** Lines for people about what is fetched. */

const TELL_MS = 2000;

/** At most one line in two seconds. */
export function tellNowAndThen(say: ((line: string) => void) | undefined): (text: () => string) => void {
  let last = performance.now();
  return (text) => {
    if (performance.now() - last < TELL_MS) return;
    last = performance.now();
    say?.(text());
  };
}

export const number = (n: number): string => n.toLocaleString('en-US');
export const files = (n: number): string => `${number(n)} ${n === 1 ? 'file' : 'files'}`;

/** On the command line it has no name of its own. */
export const labelOf = (name: string): string => (name === 'input' ? name : `input ${name}`);

const STEP = 1024;
export function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = bytes;
  for (; value >= STEP && at < units.length - 1; at++) value /= STEP;
  return `${at === 0 ? value : value.toFixed(1)} ${units[at] ?? ''}`;
}
