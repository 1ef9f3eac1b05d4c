/** Single files by https: nothing can be listed, nothing written. */
import { RemoteError, fromNetwork, kindOfStatus, retryAfter } from './error.ts';
import type { HttpLocation } from './location.ts';
import { within } from './signal.ts';
import type { RemoteObject, RemoteStore } from './store.ts';

export function httpStore(location: HttpLocation): RemoteStore {
  return new HttpStore(location);
}

class HttpStore implements RemoteStore {
  readonly #location: HttpLocation;

  constructor(location: HttpLocation) {
    this.#location = location;
  }

  async *list(_prefix: string, signal: AbortSignal): AsyncGenerator<readonly RemoteObject[]> {
    const found = await this.head(this.#location.path, signal);
    yield found ? [found] : [];
  }

  /** A server may know no HEAD, or sign for GET alone: then the first byte is asked for. */
  async head(name: string, signal: AbortSignal): Promise<RemoteObject | undefined> {
    return within(signal, async (limited) => {
      const asked = await this.#fetch({ method: 'HEAD' }, limited);
      await asked.body?.cancel();
      if (asked.status === 404 || asked.status === 410) return undefined;
      if (asked.ok && asked.headers.get('content-length') !== null) return objectOf(name, asked);
      if (!asked.ok && kindOfStatus(asked.status) === 'transient') throw refusal(asked);
      const got = await this.#fetch({ headers: { range: 'bytes=0-0' } }, limited);
      await got.body?.cancel();
      // An empty file has no first byte.
      if (got.status === 416) return { ...objectOf(name, got), size: 0 };
      if (!got.ok) {
        if (got.status === 404 || got.status === 410) return undefined;
        throw refusal(got);
      }
      return objectOf(name, got);
    });
  }

  async get(object: RemoteObject, from: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const strong = object.version.startsWith('"');
    const headers = {
      ...(from > 0 && { range: `bytes=${from}-` }),
      ...(strong && { 'if-match': object.version }),
    };
    const answer = await this.#fetch({ headers }, signal);
    if (!answer.ok || answer.body === null) {
      await answer.body?.cancel();
      throw refusal(answer);
    }
    if (from > 0 && answer.status !== 206) {
      await answer.body.cancel();
      throw new NoRanges();
    }
    if (objectOf(object.name, answer).version !== object.version && answer.status === 200) {
      await answer.body.cancel();
      throw new RemoteError('changed', 'its ETag or date is another one than before');
    }
    return answer.body;
  }

  put(): Promise<void> {
    return Promise.reject(new RemoteError('other', 'nothing can be written by https'));
  }

  async #fetch(init: { method?: string; headers?: Record<string, string> }, signal: AbortSignal): Promise<Response> {
    const { target, authorization } = this.#location;
    // Bytes as they are: a length that is told must be that of the file.
    const headers = { 'accept-encoding': 'identity', ...init.headers, ...(authorization && { authorization }) };
    try {
      return await fetch(target, { ...init, headers, signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw fromNetwork(error);
    }
  }
}

/** The server sends the whole file whatever is asked: what is there already counts for nothing. */
export class NoRanges extends RemoteError {
  constructor() {
    super('transient', 'the server cannot send the rest of a file');
  }
}

function objectOf(name: string, { headers }: Response): RemoteObject {
  const whole = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] ?? headers.get('content-length');
  const modified = headers.get('last-modified');
  return {
    name,
    // Unknown: what comes is taken.
    size: whole === null ? -1 : Number(whole),
    version: headers.get('etag') ?? modified ?? '',
    modifiedMs: modified === null ? 0 : Date.parse(modified) || 0,
  };
}

function refusal(answer: Response): RemoteError {
  const said = `${answer.status} ${answer.statusText}`.trim();
  return new RemoteError(kindOfStatus(answer.status), said, {
    retryAfterMs: retryAfter(answer.headers.get('retry-after')),
  });
}
