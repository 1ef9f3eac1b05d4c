/** As much of a Debug Adapter Protocol client as it takes to attach, see where the program stops, and let it go on. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

interface Message {
  readonly type: string;
  readonly event?: string;
  readonly command?: string;
  readonly success?: boolean;
  readonly body?: unknown;
}

export interface Frame {
  readonly name: string;
  readonly line: number;
  readonly source?: { readonly path?: string };
}

export class DebugClient {
  private readonly socket: Socket;
  private seq = 0;
  private rest = Buffer.alloc(0);
  private readonly seen: Message[] = [];
  private wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.rest = Buffer.concat([this.rest, chunk]);
      this.take();
    });
    socket.on('error', () => undefined);
  }

  static connect(port: number): Promise<DebugClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        resolve(new DebugClient(socket));
      });
      socket.on('error', reject);
    });
  }

  request(command: string, args: object = {}): void {
    const text = JSON.stringify({ seq: ++this.seq, type: 'request', command, arguments: args });
    this.socket.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  /** Resolves with the next message that fits; those before it are forgotten. */
  async next(fits: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const at = this.seen.findIndex(fits);
      if (at >= 0) return this.seen.splice(0, at + 1).pop() ?? { type: 'none' };
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private take(): void {
    for (;;) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.rest.toString('latin1', 0, end))?.[1]);
      if (this.rest.length < end + 4 + length) return;
      this.seen.push(JSON.parse(this.rest.toString('utf8', end + 4, end + 4 + length)) as Message);
      this.rest = this.rest.subarray(end + 4 + length);
      this.wake();
    }
  }
}
