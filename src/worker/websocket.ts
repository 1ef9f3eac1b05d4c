/**
 * The client side of a WebSocket, as far as talking to Node's own inspector on this machine needs it: text messages,
 * no extensions, no fragments to send. Node 20 has none of its own.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Socket } from 'node:net';

const FINAL_TEXT = 0x81;
const FINAL_CLOSE = 0x88;
const FINAL_PONG = 0x8a;
const MASKED = 0x80;
const MASK_BYTES = 4;

export interface WebSocketClient {
  send(text: string): void;
  close(): void;
}

/** @param url `ws://host:port/path`. Rejects where nobody listens or the other side refuses. */
export function connectWebSocket(
  url: string,
  onMessage: (text: string) => void,
  onClose: () => void,
): Promise<WebSocketClient> {
  return new Promise((resolve, reject) => {
    const call = request(url.replace(/^ws:/, 'http:'), {
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      },
    });
    call.on('error', reject);
    call.on('response', (response) => {
      response.resume();
      reject(new Error(`${url} answered ${response.statusCode ?? 0} instead of opening a WebSocket`));
    });
    call.on('upgrade', (_response, socket: Socket, head: Buffer) => {
      const reader = new MessageReader(onMessage, (payload) => socket.write(frameOf(FINAL_PONG, payload)));
      socket.on('data', (chunk: Buffer) => reader.push(chunk));
      socket.on('error', () => socket.destroy());
      socket.on('close', onClose);
      resolve({
        send: (text) => socket.write(frameOf(FINAL_TEXT, Buffer.from(text, 'utf8'))),
        close: () => socket.end(frameOf(FINAL_CLOSE, Buffer.alloc(0))),
      });
      reader.push(head);
    });
    call.end();
  });
}

function frameOf(first: number, payload: Buffer): Buffer {
  const mask = randomBytes(MASK_BYTES);
  const masked = Buffer.from(payload);
  for (const [index, byte] of payload.entries()) masked[index] = byte ^ (mask[index % MASK_BYTES] ?? 0);
  return Buffer.concat([Buffer.from([first]), lengthOf(payload.length), mask, masked]);
}

function lengthOf(length: number): Buffer {
  if (length < 126) return Buffer.from([MASKED | length]);
  if (length < 65536) return Buffer.from([MASKED | 126, length >> 8, length & 0xff]);
  const bytes = Buffer.alloc(9);
  bytes[0] = MASKED | 127;
  bytes.writeBigUInt64BE(BigInt(length), 1);
  return bytes;
}

class MessageReader {
  readonly #onMessage: (text: string) => void;
  readonly #onPing: (payload: Buffer) => void;
  #bytes: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];

  constructor(onMessage: (text: string) => void, onPing: (payload: Buffer) => void) {
    this.#onMessage = onMessage;
    this.#onPing = onPing;
  }

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.#take());
  }

  #take(): boolean {
    const bytes = this.#bytes;
    if (bytes.length < 2) return false;
    const short = bytes.readUInt8(1) & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < start) return false;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < start + length) return false;
    this.#bytes = bytes.subarray(start + length);
    this.#deliver(bytes.readUInt8(0), bytes.subarray(start, start + length));
    return true;
  }

  #deliver(first: number, payload: Buffer): void {
    const kind = first & 0x0f;
    if (kind === 9) this.#onPing(payload);
    if (kind > 2) return;
    this.#parts.push(payload);
    if ((first & 0x80) === 0) return;
    const text = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#onMessage(text);
  }
}
