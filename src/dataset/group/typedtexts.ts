/** Numbers that stand for something else, as texts. */

/** `-12.30` */
export function scaled(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${value < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}

const DAY_MS = 86_400_000;

export function isoDay(days: number): string | undefined {
  const date = new Date(days * DAY_MS);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().slice(0, -'T00:00:00.000Z'.length);
}

/**
 * `2020-01-02T03:04:05.000006`, the same for the same time in any unit; a number of nanoseconds where no calendar reaches.
 * @param digits of a second in the value
 */
export function isoTime(value: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits);
  const part = ((value % perSecond) + perSecond) % perSecond;
  const date = new Date(Number((value - part) / perSecond) * 1000);
  if (Number.isNaN(date.getTime())) return String(value * 10n ** BigInt(9 - digits));
  return `${date.toISOString().slice(0, -'.000Z'.length)}${part === 0n ? '' : `.${String(part).padStart(digits, '0').replace(/0+$/, '')}`}`;
}
