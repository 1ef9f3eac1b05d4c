import type { CoreCommand, CoreEvent } from '../../src/core/types.ts';

/** What happened, as a hash, and as lines where somebody wants to read it. Wall-clock times are not part of it. */
export class Trace {
  readonly lines: string[] | undefined;
  private a = 0xdeadbeef;
  private b = 0x41c6ce57;

  constructor(kept: boolean) {
    this.lines = kept ? [] : undefined;
  }

  get hash(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
    return hex(this.a) + hex(this.b);
  }

  step(micros: number, event: CoreEvent, commands: readonly CoreCommand[]): void {
    this.add(micros);
    this.text(event.type);
    if ('index' in event) this.add(event.index * 64 + event.dispatch);
    if ('worker' in event) this.text(event.worker);
    for (const command of commands) {
      this.text(command.type);
      if (command.type === 'dispatch') {
        this.add(command.index * 64 + command.dispatch);
        this.text(command.worker);
      } else if (command.type === 'settle') this.text(command.settles.as);
    }
    if (this.lines) this.keep(micros, `${JSON.stringify(event)} -> ${JSON.stringify(commands)}`);
  }

  line(micros: number, text: () => string): void {
    this.add(micros);
    if (this.lines) this.keep(micros, text());
  }

  private keep(micros: number, text: string): void {
    this.lines?.push(`${(micros / 1000).toFixed(3).padStart(12)} ms  ${text}`);
  }

  private text(text: string): void {
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i));
  }

  private add(n: number): void {
    this.a = Math.imul(this.a ^ n, 2654435761);
    this.b = Math.imul(this.b ^ n ^ (this.a >>> 15), 1597334677);
  }
}
