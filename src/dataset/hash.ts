/** What `hash` found last: two numbers of 32 bits, without an object for each text. */
export let low = 0;
export let high = 0;

export function hash(text: string): void {
  let a = 0x2545f491;
  let b = 0x6c078965;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    a ^= a >>> 15;
    b = Math.imul(b ^ code, 0x85ebca6b);
    b = (b << 13) | (b >>> 19);
  }
  low = finish(a ^ text.length);
  high = finish(b);
}

function finish(bits: number): number {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
