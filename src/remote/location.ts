/** URLs of remote data as people write them, to what a store needs. Pure. */
import { createHash } from 'node:crypto';
import type { Result } from '../domain/problem.ts';
import { err, ok } from '../domain/problem.ts';
import { REDACTED, redact } from '../domain/redact.ts';

export type Env = Readonly<Record<string, string | undefined>>;

interface Common {
  /** Names the object or prefix whatever opens it: no signature, no password. Not shown: a query may stand in it. */
  readonly id: string;
  /** For people and for what is stored: nothing secret in it. */
  readonly url: string;
  /** Name of the object, or prefix without a slash at its end; empty: all of the container. */
  readonly path: string;
  /** The URL ends with a slash, so that it can only be a prefix. */
  readonly isPrefix: boolean;
}
export type AzureLocation = Common & {
  readonly store: 'azure';
  readonly account: string;
  /** `https://<account>.blob.core.windows.net`. */
  readonly endpoint: string;
  readonly container: string;
  readonly sas?: string;
};
export type S3Location = Common & { readonly store: 's3'; readonly bucket: string };
export type HttpLocation = Common & {
  readonly store: 'http';
  /** All of it, with its secrets, without the user. */
  readonly target: string;
  /** Header, of a user and password in the URL. */
  readonly authorization?: string;
};
export type RemoteLocation = AzureLocation | S3Location | HttpLocation;

const BLOB_HOST = /^([a-z0-9]{3,24})\.(blob|dfs)\.((?:core|storage)\.[a-z0-9.-]+)$/i;
const SCHEMES = new Set(['http', 'https', 's3', 'wasb', 'wasbs', 'abfs', 'abfss']);

/** Whether a path of this scheme is for us; what it says may still be wrong. */
export const isRemoteScheme = (scheme: string): boolean => SCHEMES.has(scheme.toLowerCase());

/** @returns the place, or as error what is wrong with the text */
export function parseLocation(text: string, env: Env): Result<RemoteLocation, string> {
  const bucketed = /^s3:\/\/([^/]*)\/?(.*)$/is.exec(text);
  if (bucketed) return s3(bucketed[1] ?? '', bucketed[2] ?? '');
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return err('it is no URL');
  }
  const path = pathOf(text);
  if (!path.ok) return path;
  switch (url.protocol) {
    case 'wasb:':
    case 'wasbs:':
    case 'abfs:':
    case 'abfss:':
      return hadoop(url, path.value, env);
    case 'http:':
    case 'https:':
      return azureOfHttp(url, path.value, env) ?? http(url, path.value, env);
    default:
      return err(`the scheme ${url.protocol.slice(0, -1)} is not known`);
  }
}

/** As written, not as `URL` cleans it: names of objects may hold `..` and `//`. Percent signs are read by the callers. */
function pathOf(text: string): Result<string, string> {
  const path = /^[^:]+:\/\/[^/?#]*\/?([^?#]*)/.exec(text)?.[1] ?? '';
  try {
    decodeURIComponent(path);
    return ok(path);
  } catch {
    return err('a percent sign in it is not followed by two digits (a percent sign itself is %25)');
  }
}

/** Names are taken as they are: nobody writes `s3://` with escapes or queries. */
function s3(bucket: string, path: string): Result<RemoteLocation, string> {
  if (!/^[a-z0-9][\w.-]*$/i.test(bucket)) return err('it names no bucket; allowed: s3://bucket/path');
  return ok({ store: 's3', bucket, ...placed(`s3://${bucket}`, path, path) });
}

function hadoop(url: URL, path: string, env: Env): Result<RemoteLocation, string> {
  const container = decodeURIComponent(url.username);
  const form = `${url.protocol}//container@account.blob.core.windows.net/path`;
  if (container === '' || url.password !== '') return err(`it names no container; allowed: ${form}`);
  const account = url.hostname.split('.')[0] ?? '';
  const host = url.hostname.includes('.') ? url.host.replace(/\.dfs\./i, '.blob.') : `${account}.blob.core.windows.net`;
  const endpoint = endpointFor(account, `https://${host}`, env);
  return ok(azure(account, endpoint, container, path, url.search));
}

/** Blob endpoints under their own names, and the one of the connection string (an emulator, a private link). */
function azureOfHttp(url: URL, path: string, env: Env): Result<RemoteLocation, string> | undefined {
  const connection = connectionOf(env);
  const full = `${url.origin}/${path}`;
  if (connection?.endpoint !== undefined && full.startsWith(`${connection.endpoint}/`)) {
    const rest = full.slice(connection.endpoint.length + 1);
    return withContainer(connection.account, connection.endpoint, rest, url.search);
  }
  const [, account, , suffix] = BLOB_HOST.exec(url.hostname) ?? [];
  if (account === undefined || suffix === undefined) return undefined;
  if (url.protocol === 'http:') return err('Blob storage is reached by https only');
  const endpoint = endpointFor(account, `https://${account}.blob.${suffix}`, env);
  return withContainer(account, endpoint, path, url.search);
}

function withContainer(account: string, endpoint: string, path: string, query: string): Result<RemoteLocation, string> {
  const slash = path.indexOf('/');
  const container = slash < 0 ? path : path.slice(0, slash);
  if (container === '')
    return err('it names no container; allowed: https://account.blob.core.windows.net/container/path');
  return ok(azure(account, endpoint, container, slash < 0 ? '' : path.slice(slash + 1), query));
}

function azure(account: string, endpoint: string, container: string, path: string, query: string): AzureLocation {
  const sas = query.replace(/^\?/, '');
  const base = `${endpoint}/${container}`;
  const usable = sas !== '' && sas !== REDACTED;
  return {
    store: 'azure',
    account,
    endpoint,
    container,
    ...placed(base, path, decodeURIComponent(path)),
    ...(usable && { sas }),
  };
}

function http(url: URL, path: string, env: Env): Result<RemoteLocation, string> {
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !isYes(env['PARALLELRUN_ALLOW_HTTP']))
    return err('http without encryption is only for this machine; use https, or set PARALLELRUN_ALLOW_HTTP=1');
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const target = new URL(url);
  target.username = '';
  target.password = '';
  target.hash = '';
  const { id, ...place } = placed(url.origin, path, decodeURIComponent(path));
  if (place.isPrefix) return err('it names a folder, and https serves single files; name the file');
  const query = [...target.searchParams].filter(
    ([key]) => !/^(?:x-amz-.*|sig|signature|token|access_token)$/i.test(key),
  );
  return ok({
    store: 'http',
    ...place,
    id: query.length === 0 ? id : `${id}?${new URLSearchParams(query).toString()}`,
    url: redact(target.href),
    target: target.href,
    ...(user !== '' && {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    }),
  });
}

function placed(base: string, written: string, name: string): Common {
  const isPrefix = name === '' || name.endsWith('/');
  const path = name.replace(/\/+$/, '');
  const shown = written.replace(/\/+$/, '');
  const url = shown === '' ? base : `${base}/${shown}`;
  return { id: path === '' ? base : `${base}/${path}`, url, path, isPrefix };
}

const isYes = (text: string | undefined): boolean => text === '1' || text?.toLowerCase() === 'true';

export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);

export interface Connection {
  readonly account: string;
  readonly key: string | undefined;
  readonly sas: string | undefined;
  /** Without a slash at its end. */
  readonly endpoint: string | undefined;
}

/** What AZURE_STORAGE_CONNECTION_STRING says. */
export function connectionOf(env: Env): Connection | undefined {
  const text = env['AZURE_STORAGE_CONNECTION_STRING'];
  if (text === undefined || text === '') return undefined;
  const parts = new Map(
    text.split(';').flatMap((part): [string, string][] => {
      const at = part.indexOf('=');
      return at < 0 ? [] : [[part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()]];
    }),
  );
  const account = parts.get('accountname') ?? '';
  const suffix = parts.get('endpointsuffix') ?? 'core.windows.net';
  const written = parts.get('blobendpoint')?.replace(/\/+$/, '');
  return {
    account: account === '' ? (BLOB_HOST.exec(hostOf(written))?.[1] ?? '') : account,
    key: parts.get('accountkey'),
    sas: parts.get('sharedaccesssignature')?.replace(/^\?/, ''),
    endpoint: written ?? (account === '' ? undefined : `https://${account}.blob.${suffix}`),
  };
}

function hostOf(url: string | undefined): string {
  return url === undefined ? '' : (/^[^:]+:\/\/([^/:]+)/.exec(url)?.[1] ?? '');
}

/** An account has the endpoint that the connection string gives it. */
function endpointFor(account: string, endpoint: string, env: Env): string {
  const connection = connectionOf(env);
  return connection?.account === account && connection.endpoint !== undefined ? connection.endpoint : endpoint;
}

const NAME_MAX = 40;

/** Name of the local folder that stands for a place: of what people recognise, and never the same for two. */
export function localName({ id, path }: RemoteLocation): string {
  const last = path.split('/').at(-1) ?? '';
  const readable = last
    .replaceAll(/[^\w.-]+/g, '_')
    .replace(/^\.+/, '')
    .slice(0, NAME_MAX);
  return `${readable === '' ? 'all' : readable}-${hashOf(id).slice(0, 8)}`;
}

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Name of the file that a single object becomes. */
export const fileName = ({ path }: RemoteLocation): string => path.split('/').at(-1) ?? '';

/** A path below a URL as it is written, its signature behind it as before. `..` leads up, never out of the container. */
export function joinUrl(written: string, relative: string): string {
  const isS3 = /^s3:/i.test(written);
  const at = isS3 ? -1 : written.indexOf('?');
  const [front, query] = at < 0 ? [written, ''] : [written.slice(0, at), written.slice(at)];
  const [, origin = '', path = ''] = /^([a-z][a-z0-9+.-]*:\/\/[^/]*)(.*)$/is.exec(front) ?? [];
  const parts = path.split('/').filter((part) => part !== '');
  for (const part of relative.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(isS3 ? part : encodeURIComponent(part));
  }
  return `${origin}/${parts.join('/')}${query}`;
}
