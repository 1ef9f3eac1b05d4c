/** JSON of user values: `bigint` keeps its digits as a number, everything else as `JSON.stringify` does it. */

const stringify = JSON.stringify;

/** @throws TypeError for cycles, functions and symbols at the top, and whatever a `toJSON` of the user throws. */
export function jsonOf(value: unknown): string {
  const json = fastJson(value) ?? slowJson(value, '', new Set());
  if (json === undefined) throw new TypeError(`a ${typeof value} cannot be written as JSON`);
  return json;
}

/** Undefined where there is no JSON, or where a `bigint` in it needs the slow way. */
function fastJson(value: unknown): string | undefined {
  try {
    return stringify(value);
  } catch (error) {
    if (error instanceof TypeError && error.message.includes('BigInt')) return undefined;
    throw error;
  }
}

function slowJson(value: unknown, key: string, above: Set<object>): string | undefined {
  const plain = toJson(value, key);
  if (typeof plain === 'bigint') return plain.toString();
  if (typeof plain !== 'object' || plain === null) return stringify(plain);
  if (above.has(plain)) throw new TypeError('a value that contains itself cannot be written as JSON');
  above.add(plain);
  const json = Array.isArray(plain) ? arrayJson(plain, above) : objectJson(plain, above);
  above.delete(plain);
  return json;
}

function arrayJson(value: readonly unknown[], above: Set<object>): string {
  const parts = Array.from(value, (inner, index) => slowJson(inner, String(index), above) ?? 'null');
  return `[${parts.join(',')}]`;
}

function objectJson(value: object, above: Set<object>): string {
  const wrapped = value instanceof Number || value instanceof String || value instanceof Boolean;
  if (wrapped) return stringify(value);
  const parts: string[] = [];
  for (const [key, inner] of Object.entries(value)) {
    const json = slowJson(inner, key, above);
    if (json !== undefined) parts.push(`${stringify(key)}:${json}`);
  }
  return `{${parts.join(',')}}`;
}

function toJson(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (!('toJSON' in value) || typeof value.toJSON !== 'function') return value;
  return Reflect.apply(value.toJSON, value, [key]) as unknown;
}
