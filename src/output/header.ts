/** Column names as a line of CSV (RFC 4180), quoted where needed. */
export function csvHeader(columns: readonly string[]): Uint8Array {
  const fields = columns.map((name) => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name));
  return new TextEncoder().encode(`${fields.join(',')}\n`);
}
