/** Single files by https, from a server of our own that can do it well and badly. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ParallelRunError } from '../../src/domain/problem.ts';
import { parseLocation } from '../../src/remote/location.ts';
import { peek } from '../../src/remote/peek.ts';
import { stage } from '../../src/remote/stage.ts';

const TEXT = 'a line of the file\n'.repeat(2000);
const POLICY = { tries: 3, firstMs: 5, maxMs: 20 };

type Answer = (request: IncomingMessage, answer: ServerResponse) => void;
let folder: string;
let server: Server;
let answer: Answer;
let asked: IncomingMessage[];

/** Ranges, ETag, HEAD. */
const well: Answer = (request, response) => {
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? -1);
  const headers = { etag: '"one"', 'last-modified': 'Wed, 01 Jul 2026 10:00:00 GMT', 'accept-ranges': 'bytes' };
  const body = from < 0 ? TEXT : TEXT.slice(from);
  const range = from < 0 ? {} : { 'content-range': `bytes ${from}-${TEXT.length - 1}/${TEXT.length}` };
  response.writeHead(from < 0 ? 200 : 206, { ...headers, ...range, 'content-length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
};
/** Sends some of it and goes. */
const cut: Answer = (request, response) => {
  response.writeHead(200, { etag: '"one"', 'content-length': TEXT.length });
  response.write(TEXT.slice(0, 7000));
  setTimeout(() => request.socket.destroy(), 20);
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'http-'));
  asked = [];
  answer = well;
  server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function place(path = 'data/file.txt', user = '') {
  const { port } = server.address() as AddressInfo;
  const location = parseLocation(`http://${user}127.0.0.1:${port}/${path}`, {});
  if (!location.ok) throw new Error(location.error);
  return location.value;
}
const fetched = (path?: string, user?: string) =>
  stage(
    { name: 'table', location: place(path, user), kind: 'file' },
    { env: {}, cacheFolder: join(folder, 'data'), runId: 'r1', policy: POLICY },
  );
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((thrown: unknown) => thrown);
  if (!(error instanceof ParallelRunError)) throw new Error(`no refusal but ${String(error)}`);
  return `${error.problems[0]?.code ?? ''} exit ${error.exitCode}: ${JSON.stringify(error.problems)}`;
}
const gets = (): (string | undefined)[] =>
  asked.filter(({ method }) => method === 'GET').map(({ headers }) => headers.range);
const nothingHalf = (): void => {
  expect((readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.includes('.part-'))).toEqual([]);
};

test('a file comes under its own name; the second time it is asked for its version only', async () => {
  const first = await fetched();
  expect(readFileSync(join(first.folder, 'file.txt'), 'utf8')).toBe(TEXT);
  await fetched();
  expect(gets()).toEqual([undefined]);
});

test('a body that is cut off is gone on with where it ended', async () => {
  const answers = [well, cut];
  answer = (request, response) => (answers.shift() ?? well)(request, response);
  const { folder: staged } = await fetched();
  expect(readFileSync(join(staged, 'file.txt'), 'utf8')).toBe(TEXT);
  expect(gets()).toEqual([undefined, 'bytes=7000-']);
});

test('a server without ranges sends it all again, and is not tried for ever', async () => {
  let tries = 0;
  answer = (request, response) => {
    if (request.method === 'HEAD') return well(request, response);
    tries += 1;
    delete request.headers.range;
    return tries < 3 ? cut(request, response) : well(request, response);
  };
  const { folder: staged } = await fetched();
  expect(readFileSync(join(staged, 'file.txt'), 'utf8')).toBe(TEXT);
  answer = (request, response) => (request.method === 'HEAD' ? well(request, response) : cut(request, response));
  rmSync(join(folder, 'data'), { recursive: true });
  expect(await refusal(fetched())).toMatch(/^PR3604 exit 3.*given up after 3 tries/);
  nothingHalf();
});

test('a length that is not kept is an error, never a shorter file', async () => {
  answer = (request, response) => {
    if (request.method === 'HEAD') return well(request, response);
    // Without a length of its own the end of the connection is the end of the file.
    response.writeHead(200, { etag: '"one"' });
    response.end(TEXT.slice(0, 100));
    return undefined;
  };
  expect(await refusal(fetched())).toMatch(/^PR3604 exit 3.*(100 of 38000 bytes|cannot send the rest)/);
  nothingHalf();
});

test('another version under the same name is refused', async () => {
  answer = (request, response) => {
    if (request.method === 'HEAD') return well(request, response);
    response.writeHead(200, { etag: '"two"', 'content-length': TEXT.length });
    response.end(TEXT);
    return undefined;
  };
  expect(await refusal(fetched())).toMatch(/^PR3612 exit 2/);
});

test('a file without a version is fetched each time', async () => {
  let body = 'first';
  answer = (request, response) => {
    response.writeHead(200, { 'content-length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  const one = await fetched();
  body = 'other';
  const two = await fetched();
  expect(readFileSync(join(one.folder, 'file.txt'), 'utf8')).toBe('first');
  expect(readFileSync(join(two.folder, 'file.txt'), 'utf8')).toBe('other');
});

test('a server that knows no HEAD is asked for a byte', async () => {
  answer = (request, response) => {
    if (request.method !== 'HEAD') return well(request, response);
    response.writeHead(405).end();
    return undefined;
  };
  const { folder: staged } = await fetched();
  expect(readFileSync(join(staged, 'file.txt'), 'utf8')).toBe(TEXT);
  expect(await peek(place(), {})).toEqual({ kind: 'file' });
});

test.each([
  [404, /^PR3603 exit 2/],
  [403, /^PR3602 exit 2.*403/],
  [418, /^PR3605 exit 2.*418/],
  [500, /^PR3604 exit 3.*500.*given up after 3 tries/],
])('%i is told as what it is', async (status, said) => {
  answer = (_request, response) => void response.writeHead(status).end();
  expect(await refusal(fetched())).toMatch(said);
});

test('a server that asks to wait is waited for', async () => {
  const answers: Answer[] = [(_request, response) => void response.writeHead(429, { 'retry-after': '0.05' }).end()];
  answer = (request, response) => (answers.shift() ?? well)(request, response);
  await fetched();
  expect(asked).toHaveLength(3);
});

test('user and password travel in a header and stand in no message', async () => {
  answer = (request, response) => {
    if (request.headers.authorization === `Basic ${Buffer.from('me:s3cret').toString('base64')}`)
      return well(request, response);
    response.writeHead(401).end();
    return undefined;
  };
  await fetched('data/file.txt', 'me:s3cret@');
  const said = await refusal(fetched('data/file.txt?token=t0ken', 'me:wr0ng@'));
  expect(said).toMatch(/^PR3602/);
  expect(said).not.toMatch(/wr0ng|t0ken/);
});

test('nobody there is told, resumable', async () => {
  const gone = place();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  const options = { env: {}, cacheFolder: join(folder, 'data'), runId: 'r1', policy: POLICY };
  expect(await refusal(stage({ name: 'x', location: gone, kind: 'file' }, options))).toMatch(
    /^PR3604 exit 3.*ECONNREFUSED/,
  );
});
