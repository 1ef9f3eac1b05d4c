/** What stores say when something is wrong, in words of ours, and as problems for people. */
import type { ExitCode, Problem, ProblemCode } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { redact } from '../domain/redact.ts';

export type RemoteErrorKind =
  /** Worth another try: time-outs, resets, 429, 5xx. */
  | 'transient'
  | 'denied'
  | 'credentials'
  | 'not-found'
  | 'no-container'
  | 'region'
  | 'clock'
  /** There is an object already, and it was not to be overwritten. */
  | 'exists'
  /** The object is not the one that was listed. */
  | 'changed'
  /** Its name is known to nobody. */
  | 'host'
  | 'package'
  | 'other';

export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly kind: RemoteErrorKind;
  /** HTTP status and code of the server, for people: `403 AuthenticationFailed`. */
  readonly said: string;
  /** What the server asks to wait. */
  readonly retryAfterMs: number | undefined;
  constructor(
    kind: RemoteErrorKind,
    said: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined } = {},
  ) {
    super(redact(said), { cause: options.cause });
    this.kind = kind;
    this.said = redact(said);
    this.retryAfterMs = options.retryAfterMs;
  }
}

const TRANSIENT_CODES = new Set([
  'ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENETUNREACH', 'EHOSTUNREACH', 'EAI_AGAIN',
  'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT',
  'ERR_STREAM_PREMATURE_CLOSE', 'TimeoutError', 'RequestTimeout', 'SlowDown', 'ServerBusy', 'OperationTimedOut',
]); // prettier-ignore

export const isTransientCode = (code: string | undefined): boolean => code !== undefined && TRANSIENT_CODES.has(code);

/** Statuses that say the same whatever the store. */
export function kindOfStatus(status: number): RemoteErrorKind {
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return status === 501 ? 'other' : 'transient';
  if (status === 401 || status === 403) return 'denied';
  if (status === 404 || status === 410) return 'not-found';
  if (status === 409) return 'exists';
  return status === 412 ? 'changed' : 'other';
}

/** Errors of sockets and names hide in causes. */
export function codeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string' && code !== '') return code;
    if (at.name === 'TimeoutError') return at.name;
    const inner = (at as { errors?: unknown }).errors;
    if (Array.isArray(inner) && inner.length > 0) return codeOf(inner[0]);
  }
  return undefined;
}

export const messageOf = (error: unknown): string => {
  const own = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
  return cause === '' || own.includes(cause) ? own : own === '' ? cause : `${own}: ${cause}`;
};

/** Anything without an answer of the server. */
export function fromNetwork(error: unknown): RemoteError {
  if (error instanceof RemoteError) return error;
  const code = codeOf(error);
  const said = `${messageOf(error)}${code === undefined || messageOf(error).includes(code) ? '' : ` (${code})`}`;
  // A socket that ends within a body has no code in some clients.
  const broken = /aborted|terminated|socket hang up|premature|network|closed/i.test(messageOf(error));
  const kind = code === 'ENOTFOUND' ? 'host' : isTransientCode(code) || broken ? 'transient' : 'other';
  return new RemoteError(kind, said, { cause: error });
}

export function retryAfter(value: string | null | undefined): number | undefined {
  const seconds = Number(value ?? '');
  return value === null || value === undefined || value === '' || !Number.isFinite(seconds)
    ? undefined
    : seconds * 1000;
}

type Facts = Readonly<Record<RemoteErrorKind, readonly [code: ProblemCode, what: string, next: string]>>;

const TRY_AGAIN = 'try again when the server can be reached; what was fetched is kept';
const FACTS: Facts = {
  package: ['PR3601', 'the client library for this kind of data is not installed', ''],
  denied: ['PR3602', 'the server denies access', 'check the credentials in the environment and what they are allowed: docs/remote.md'],
  credentials: ['PR3602', 'there are no credentials for the server', 'set them in the environment: docs/remote.md'],
  'not-found': ['PR3603', 'there is nothing at this place', 'check the path; names are case-sensitive'],
  'no-container': ['PR3603', 'there is no such bucket or container', 'check its name and the account or endpoint'],
  transient: ['PR3604', 'the server cannot be reached, or fails', TRY_AGAIN],
  host: ['PR3604', 'the server cannot be found', 'check the host name, and that this machine has a network'],
  region: ['PR3605', 'the bucket lies in another region', 'set AWS_REGION to the one that the server names'],
  clock: ['PR3605', 'the clock of this machine is wrong', 'set the clock (timedatectl, ntpd); the server compares times'],
  exists: ['PR3611', 'there is an object already where an output goes', 'move it away, or give --overwrite'],
  changed: ['PR3612', 'an object changed while it was fetched', 'start again once nobody writes there'],
  other: ['PR3605', 'the server refuses the request', 'see what it says'],
}; // prettier-ignore

/** @param url without secrets */
export function remoteProblem(error: RemoteError, url: string, next?: string): Problem {
  const [code, what, advice] = FACTS[error.kind];
  return {
    code,
    severity: 'error',
    what,
    where: { file: redact(url) },
    why: error.said,
    next: next ?? (error.kind === 'package' ? installAdvice(error) : advice),
  };
}

const installAdvice = (error: RemoteError): string =>
  `install it where parallelrun is installed: npm install ${String(error.cause)}`;

/** Only what time may mend is resumable. */
export const exitCodeOf = (error: RemoteError): ExitCode => (error.kind === 'transient' ? 3 : 2);

export const remoteRefusal = (error: RemoteError, url: string, next?: string): ParallelRunError =>
  new ParallelRunError([remoteProblem(error, url, next)], exitCodeOf(error), { cause: error });
