/** Different reasons that are kept; further ones are counted together. */
const REASONS_MAX = 1_000;
const OTHER = 'other reasons';

/** Texts by number: a million mini-batches fail for a few reasons. */
export class Reasons {
  private readonly texts: string[] = [];
  private readonly numbers = new Map<string, number>();

  number(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    if (this.texts.length >= REASONS_MAX - 1 && text !== OTHER) return this.number(OTHER);
    const number = this.texts.push(text) - 1;
    this.numbers.set(text, number);
    return number;
  }

  text(number: number): string {
    return this.texts[number] ?? OTHER;
  }
}
