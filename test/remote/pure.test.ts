/** URLs, names and times: what needs no server. */
import { describe, expect, it } from 'vitest';
import { redact } from '../../src/domain/redact.ts';
import { resolveDatastore } from '../../src/remote/datastore.ts';
import { RemoteError, kindOfStatus } from '../../src/remote/error.ts';
import { connectionOf, localName, parseLocation } from '../../src/remote/location.ts';
import { RETRY, delayOf, withRetries } from '../../src/remote/retry.ts';
import { LIMIT_DEFAULT, limitOf } from '../../src/remote/room.ts';

const KEY =
  'DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:10000/dev;';
const facts = (text: string, env = {}): unknown => {
  const found = parseLocation(text, env);
  if (!found.ok) return found.error;
  const { id: _, ...rest } = found.value;
  return rest;
};

describe('URLs', () => {
  const blob = {
    store: 'azure',
    account: 'acct',
    endpoint: 'https://acct.blob.core.windows.net',
    container: 'cont',
    url: 'https://acct.blob.core.windows.net/cont/a/b',
    path: 'a/b',
    isPrefix: false,
  };
  it.each([
    ['https://acct.blob.core.windows.net/cont/a/b', blob],
    ['https://acct.dfs.core.windows.net/cont/a/b', blob],
    ['wasbs://cont@acct.blob.core.windows.net/a/b', blob],
    ['wasb://cont@acct.blob.core.windows.net/a/b', blob],
    ['abfss://cont@acct.dfs.core.windows.net/a/b', blob],
    ['abfss://cont@acct.dfs.core.windows.net/a/b/', { ...blob, isPrefix: true }],
    ['https://acct.blob.core.windows.net/cont/a/b?sv=1&sig=s%3D', { ...blob, sas: 'sv=1&sig=s%3D' }],
    ['https://acct.blob.core.windows.net/cont/a/b?***', blob],
    [
      'https://acct.blob.core.windows.net/cont/a%20b/%C3%A9',
      { ...blob, path: 'a b/é', url: 'https://acct.blob.core.windows.net/cont/a%20b/%C3%A9' },
    ],
    [
      'https://acct.blob.core.windows.net/cont',
      { ...blob, path: '', isPrefix: true, url: 'https://acct.blob.core.windows.net/cont' },
    ],
    [
      'abfss://fs@acct.dfs.core.chinacloudapi.cn/x',
      {
        ...blob,
        endpoint: 'https://acct.blob.core.chinacloudapi.cn',
        container: 'fs',
        path: 'x',
        url: 'https://acct.blob.core.chinacloudapi.cn/fs/x',
      },
    ],
    ['s3://bucket/a/b', { store: 's3', bucket: 'bucket', url: 's3://bucket/a/b', path: 'a/b', isPrefix: false }],
    ['s3://bucket', { store: 's3', bucket: 'bucket', url: 's3://bucket', path: '', isPrefix: true }],
    ['s3://b/100%/#x', { store: 's3', bucket: 'b', url: 's3://b/100%/#x', path: '100%/#x', isPrefix: false }],
    [
      'https://host/d/t.csv',
      {
        store: 'http',
        url: 'https://host/d/t.csv',
        path: 'd/t.csv',
        isPrefix: false,
        target: 'https://host/d/t.csv',
      },
    ],
    [
      'https://me:pw@host/t.csv?x=1',
      {
        store: 'http',
        url: 'https://host/t.csv?***',
        path: 't.csv',
        isPrefix: false,
        target: 'https://host/t.csv?x=1',
        authorization: `Basic ${Buffer.from('me:pw').toString('base64')}`,
      },
    ],
    ['https://host/folder/', 'it names a folder, and https serves single files; name the file'],
    ['http://host/x', 'http without encryption is only for this machine; use https, or set PARALLELRUN_ALLOW_HTTP=1'],
    ['http://acct.blob.core.windows.net/cont/x', 'Blob storage is reached by https only'],
    ['https://host/%zz', 'a percent sign in it is not followed by two digits (a percent sign itself is %25)'],
    ['s3:///x', 'it names no bucket; allowed: s3://bucket/path'],
    [
      'wasbs://acct.blob.core.windows.net/x',
      'it names no container; allowed: wasbs://container@account.blob.core.windows.net/path',
    ],
    [
      'https://acct.blob.core.windows.net/',
      'it names no container; allowed: https://account.blob.core.windows.net/container/path',
    ],
  ])('%s', (text, expected) => {
    expect(facts(text)).toEqual(expected);
  });

  it('an endpoint of the connection string is Blob storage, whatever it looks like', () => {
    const env = { AZURE_STORAGE_CONNECTION_STRING: KEY };
    const place = { store: 'azure', account: 'dev', endpoint: 'http://127.0.0.1:10000/dev', container: 'c', path: 'x' };
    expect(facts('http://127.0.0.1:10000/dev/c/x', env)).toMatchObject(place);
    expect(facts('wasbs://c@dev.blob.core.windows.net/x', env)).toMatchObject(place);
    expect(facts('http://127.0.0.1:10000/other/c/x', env)).toMatchObject({ store: 'http' });
    expect(connectionOf(env)).toMatchObject({ account: 'dev', key: 'c2VjcmV0' });
  });

  it('one place has one local name, whatever opens it, and two places have two', () => {
    const name = (text: string): string => {
      const found = parseLocation(text, {});
      return found.ok ? localName(found.value) : found.error;
    };
    const plain = name('https://acct.blob.core.windows.net/cont/images');
    expect(name('wasbs://cont@acct.blob.core.windows.net/images/')).toBe(plain);
    expect(name('https://acct.blob.core.windows.net/cont/images?sig=x')).toBe(plain);
    expect(name('https://acct.blob.core.windows.net/other/images')).not.toBe(plain);
    expect(name('https://host/x?page=1')).not.toBe(name('https://host/x?page=2'));
    expect(plain).toMatch(/^images-[0-9a-f]{8}$/);
  });
});

describe('datastores', () => {
  const known = new Map([
    ['lake', 'https://acct.blob.core.windows.net/lake'],
    ['signed', 'https://acct.blob.core.windows.net/c?sig=x'],
    ['here', '/mnt/data/'],
  ]);
  it.each([
    ['azureml://datastores/lake/paths/a/b', 'https://acct.blob.core.windows.net/lake/a/b'],
    ['azureml://datastores/lake', 'https://acct.blob.core.windows.net/lake'],
    ['azureml://datastores/here/paths/a', '/mnt/data/a'],
    ['azureml://datastores/signed/paths/a', 'https://acct.blob.core.windows.net/c/a?sig=x'],
    ['azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/here/paths/a', '/mnt/data/a'],
    ['azureml://subscriptions/s/resourceGroups/g/workspaces/w/datastores/here', '/mnt/data/'],
    ['azureml://subscriptions/s/datastores/here', undefined],
  ])('%s', (text, expected) => {
    const found = resolveDatastore(text, known);
    expect(found.ok ? found.value : undefined).toBe(expected);
  });

  it('an unknown one names those that are known, and the lines to add', () => {
    const found = resolveDatastore('azureml://datastores/other/paths/a', known);
    if (found.ok) throw new Error('it is not known');
    expect(found.error).toMatchObject({ code: 'PR3609', why: 'known are: here, lake, signed' });
    expect(found.error.next).toContain('datastores:\n  other: ');
    const none = resolveDatastore('azureml://models/x', known);
    expect(none.ok ? '' : none.error.code).toBe('PR3606');
  });
});

describe('secrets', () => {
  it.each([
    ['https://a.blob.core.windows.net/c/x?sv=1&sig=abc', 'https://a.blob.core.windows.net/c/x?***'],
    ['see https://me:pw@host/x, and more', 'see https://***@host/x, and more'],
    ['https://t0ken@host/x', 'https://***@host/x'],
    ['ftp://me:pw@host/x', 'ftp://***@host/x'],
    ['wasbs://cont@acct.blob.core.windows.net/x?sig=1', 'wasbs://cont@acct.blob.core.windows.net/x?***'],
    ['"path": "https://h/x?k=v"', '"path": "https://h/x?***"'],
    [KEY, KEY.replace('c2VjcmV0', '***')],
    ['SharedAccessSignature=sv%3D1', 'SharedAccessSignature=***'],
    ['s3://bucket/a*b and a=b, a?b', 's3://bucket/a*b and a=b, a?b'],
    ['images/*.png', 'images/*.png'],
  ])('%s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });
});

describe('tries', () => {
  const signal = new AbortController().signal;
  const failing = (kind: 'transient' | 'denied', times: number) => {
    let calls = 0;
    const work = (): Promise<number> =>
      ++calls > times ? Promise.resolve(calls) : Promise.reject(new RemoteError(kind, '503 busy'));
    return work;
  };
  const policy = { tries: 3, firstMs: 1, maxMs: 4 };

  it('pauses double up to a bound, with jitter, and never below what the server asks for', () => {
    const at = (failures: number, random: number, retryAfterMs?: number): number =>
      delayOf(failures, new RemoteError('transient', '', { retryAfterMs }), RETRY, () => random);
    expect([1, 2, 3, 4].map((failures) => at(failures, 1))).toEqual([500, 1000, 2000, 4000]);
    expect(at(1, 0)).toBe(250);
    expect(at(20, 1)).toBe(RETRY.maxMs);
    expect(at(1, 0, 5000)).toBe(5000);
    expect(at(1, 0, 10 * RETRY.maxMs)).toBe(RETRY.maxMs);
  });

  it('are made for what may pass, so often and no more', async () => {
    const lines: string[] = [];
    const options = { signal, policy, doing: 'x', onRetry: (line: string) => lines.push(line) };
    expect(await withRetries(failing('transient', 2), options)).toBe(3);
    expect(lines).toHaveLength(2);
    await expect(withRetries(failing('transient', 3), options)).rejects.toThrow('given up after 3 tries');
    await expect(withRetries(failing('denied', 1), options)).rejects.toThrow('503 busy');
    expect(lines).toHaveLength(4);
  });

  it('start anew with each progress', async () => {
    let calls = 0;
    const work = (progress: () => void): Promise<string> => {
      calls += 1;
      if (calls < 10) {
        progress();
        return Promise.reject(new RemoteError('transient', ''));
      }
      return Promise.resolve('done');
    };
    expect(await withRetries(work, { signal, policy, doing: 'x' })).toBe('done');
  });

  it('end with the signal, also in a pause', async () => {
    const stop = new AbortController();
    const slow = { tries: 3, firstMs: 60_000, maxMs: 60_000 };
    const waiting = withRetries(failing('transient', 5), { signal: stop.signal, policy: slow, doing: 'x' });
    setTimeout(() => stop.abort(new Error('Ctrl-C')), 20);
    await expect(waiting).rejects.toThrow('Ctrl-C');
  });

  it('statuses', () => {
    const kinds = [408, 429, 500, 502, 503, 504, 501, 401, 403, 404, 409, 412, 418].map(kindOfStatus);
    const wanted = ['transient', 'transient', 'transient', 'transient', 'transient', 'transient', 'other', 'denied'];
    expect(kinds).toEqual([...wanted, 'denied', 'not-found', 'exists', 'changed', 'other']);
  });
});

it('the limit of the cache', () => {
  const of = (text?: string): number => limitOf({ PARALLELRUN_CACHE_LIMIT: text });
  expect([of(), of(''), of('10'), of('2kb'), of('1.5 GiB'), of('1T')]).toEqual([
    LIMIT_DEFAULT,
    LIMIT_DEFAULT,
    10,
    2048,
    1.5 * 1024 ** 3,
    1024 ** 4,
  ]);
  expect(() => of('-1')).toThrow('PR3608');
  expect(() => of('many')).toThrow('PR3608');
});
