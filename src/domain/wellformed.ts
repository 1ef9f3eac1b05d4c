const LONE_SURROGATES = /\p{Surrogate}/gu;
const ANY_SURROGATE = /[\ud800-\udfff]/;

/** @returns the text with every lone surrogate as `\udXXX`: one that UTF-8 can hold. */
export function wellFormed(text: string): string {
  if (!ANY_SURROGATE.test(text)) return text;
  return text.replace(LONE_SURROGATES, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}
