import { connectWebSocket } from './websocket.ts';
import type { WebSocketClient } from './websocket.ts';

interface Answer {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Talks the Chrome DevTools Protocol to the inspector of a Node process. */
export class InspectorClient {
  readonly #answers = new Map<number, Answer>();
  readonly #listeners = new Map<string, (parameters: unknown) => void>();
  #socket: WebSocketClient | undefined;
  #calls = 0;

  async connect(url: string): Promise<void> {
    this.#socket = await connectWebSocket(
      url,
      (text) => this.#receive(text),
      () => this.#closed(),
    );
  }

  on(event: string, listener: (parameters: unknown) => void): void {
    this.#listeners.set(event, listener);
  }

  call(method: string, parameters: object = {}): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.#socket?.send(JSON.stringify({ id, method, params: parameters }));
    });
  }

  close(): void {
    this.#socket?.close();
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as Message;
    if (message.id === undefined) {
      this.#listeners.get(message.method ?? '')?.(message.params);
      return;
    }
    const answer = this.#answers.get(message.id);
    this.#answers.delete(message.id);
    if (message.error === undefined) answer?.resolve(message.result);
    else answer?.reject(new Error(message.error.message));
  }

  #closed(): void {
    for (const answer of this.#answers.values()) answer.reject(new Error('the inspector closed the connection'));
    this.#answers.clear();
  }
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}
