/** A proxy in front of a store that does with a request what a test says: the faults of networks and servers. */
import { createServer, request as ask } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Fault =
  | { readonly do: 'pass' }
  /** Nothing of the server is asked. */
  | { readonly do: 'answer'; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly do: 'reset' }
  /** The connection ends after so many bytes of the answer's body. */
  | { readonly do: 'cut'; readonly after: number }
  | { readonly do: 'hang' };
export const pass: Fault = { do: 'pass' };

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly range: string | undefined;
}

export class Proxy {
  readonly seen: Seen[] = [];
  /** What is done with the next request; it has been noted already. */
  fault: (request: Seen) => Fault = () => pass;
  readonly #server = createServer((incoming, answer) => {
    this.#serve(incoming, answer);
  });
  readonly #target: number;

  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests for the bytes of objects below a path. */
  reads(path: string): Seen[] {
    return this.seen.filter(({ method, url }) => method === 'GET' && url.split('?')[0]?.includes(path));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method = 'GET', url = '/', headers } = incoming;
    const seen: Seen = {
      method,
      url: decodeURIComponent(url),
      range: headers['range'] ?? headers['x-ms-range']?.toString(),
    };
    this.seen.push(seen);
    const fault = this.fault(seen);
    if (fault.do === 'hang') return;
    if (fault.do === 'reset') {
      incoming.socket.destroy();
      return;
    }
    if (fault.do === 'answer') {
      incoming.resume();
      answer.writeHead(fault.status, fault.headers).end();
      return;
    }
    // The same host as before: it is part of what is signed.
    const onward = ask({ host: '127.0.0.1', port: this.#target, method, path: url, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      if (fault.do === 'pass') {
        reply.pipe(answer);
        return;
      }
      let left = fault.after;
      reply.on('data', (chunk: Buffer) => {
        answer.write(chunk.subarray(0, left));
        left -= chunk.length;
        // What was written gets there first.
        if (left <= 0) setTimeout(() => incoming.socket.destroy(), 20);
      });
      reply.on('end', () => answer.end());
    });
    onward.on('error', () => incoming.socket.destroy());
    incoming.pipe(onward);
  }
}
