/** What `--engine` may say: `nats://[user:password@|token@]host[:port][,host...][?insecure]`, or `tls://` for TLS. */
import { err, ok } from './problem.ts';
import type { Problem, Result } from './problem.ts';

export interface EngineAddress {
  /** `host:port`, one or more of a cluster. */
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** A broker without authentication that others can reach is taken all the same. */
  readonly insecure: boolean;
  /** Without what is secret: for people, logs and the plan. */
  readonly shown: string;
}

const DEFAULT_PORT = 4222;

export function parseEngineAddress(text: string): Result<EngineAddress, Problem> {
  const match = /^(nats|tls):\/\/(?:([^@/?]*)@)?([^@/?]+)\/?(?:\?(.*))?$/.exec(text.trim());
  if (!match) return err(badAddress(shownOf(text), 'it has another form'));
  const [, scheme = 'nats', login, hosts = '', query = ''] = match;
  const servers: string[] = [];
  for (const host of hosts.split(',')) {
    const server = withPort(host.trim());
    if (server === undefined) return err(badAddress(shownOf(text), `"${host}" is no host and port`));
    servers.push(server);
  }
  const words = query.split('&').filter((word) => word !== '');
  const odd = words.find((word) => word !== 'insecure');
  if (odd !== undefined) return err(badAddress(shownOf(text), `it knows no "${odd}"`));
  const insecure = words.includes('insecure');
  return ok({
    servers,
    tls: scheme === 'tls',
    ...loginOf(login),
    insecure,
    shown: `${scheme}://${servers.join(',')}${insecure ? '?insecure' : ''}`,
  });
}

function withPort(host: string): string | undefined {
  const match = /^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?$/.exec(host);
  if (!match) return undefined;
  const port = Number(match[2] ?? DEFAULT_PORT);
  return port >= 1 && port <= 65_535 ? `${match[1] ?? ''}:${port}` : undefined;
}

function loginOf(login: string | undefined): Pick<EngineAddress, 'user' | 'password' | 'token'> {
  if (login === undefined || login === '') return {};
  const cut = login.indexOf(':');
  if (cut < 0) return { token: decode(login) };
  return { user: decode(login.slice(0, cut)), password: decode(login.slice(cut + 1)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What stands before `@` is secret, also in a text that is wrong otherwise. */
const shownOf = (text: string): string => text.replace(/^([a-z]+:\/\/)?[^@]*@/i, '$1***@');

function badAddress(shown: string, why: string): Problem {
  return {
    code: 'PR6001',
    severity: 'error',
    what: `the engine "${shown}" can't be understood`,
    why,
    next: 'write nats://host:4222, or tls://host:4222; several servers of a cluster are separated by commas',
  };
}

/** The broker can be reached from this machine alone. */
export function isLoopback(server: string): boolean {
  const host = server.replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
