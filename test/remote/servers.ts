/** Real servers on this machine, started for a test file: the vendor's emulator of Blob storage, and one that speaks S3. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Env } from '../../src/remote/location.ts';

const CACHE = fileURLToPath(new URL('../../.cache', import.meta.url));
const AZURITE = join(CACHE, 'azurite/node_modules/azurite/dist/src/blob/main.js');
const VERSITYGW = join(CACHE, 's3/versitygw');
/** Of the emulator: it is the same for everybody. */
const ACCOUNT = 'devstoreaccount1';
export const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export const WHY_NO_BLOB = existsSync(AZURITE) ? undefined : 'the emulator of Blob storage is not in .cache/azurite';
export const WHY_NO_S3 = existsSync(VERSITYGW) ? undefined : 'the S3 server is not in .cache/s3: there was no Go';

export type Content = string | Uint8Array;

/** One container or bucket on a running server. */
export interface Store {
  readonly kind: 'blob' | 's3';
  readonly port: number;
  /** Credentials and endpoint. @param port of a proxy in front of it */
  env(port?: number): Env & Record<string, string>;
  /** URL of a path in it. @param port of a proxy in front of it */
  url(path: string, port?: number): string;
  put(name: string, content: Content): Promise<void>;
  remove(name: string): Promise<void>;
  read(name: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Running {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

async function begin(command: (port: number, folder: string) => string[], env: Env = {}): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  const port = await freePort();
  const [program = '', ...args] = command(port, folder);
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
  await listening(port, child);
  return {
    port,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      }).once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function blobStore(container = 'data'): Promise<Store> {
  const server = await begin((port, folder) => [
    process.execPath,
    ...[AZURITE, '--blobPort', String(port), '--location', folder],
    ...['--silent', '--disableTelemetry', '--skipApiVersionCheck'],
  ]);
  const sdk = await import('@azure/storage-blob');
  const endpoint = (port: number): string => `http://127.0.0.1:${port}/${ACCOUNT}`;
  const credential = new sdk.StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY);
  const client = new sdk.BlobServiceClient(endpoint(server.port), credential).getContainerClient(container);
  await client.create();
  return {
    kind: 'blob',
    port: server.port,
    env: (port = server.port) => ({
      AZURE_STORAGE_CONNECTION_STRING: `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${ACCOUNT_KEY};BlobEndpoint=${endpoint(port)};`,
    }),
    url: (path, port = server.port) => `${endpoint(port)}/${container}/${path}`,
    put: async (name, content) => {
      await client.getBlockBlobClient(name).uploadData(Buffer.from(content));
    },
    remove: async (name) => {
      await client.deleteBlob(name);
    },
    read: async (name) => {
      const blob = client.getBlobClient(name);
      return (await blob.exists()) ? (await blob.downloadToBuffer()).toString() : undefined;
    },
    stop: server.stop,
  };
}

/** A signature that may only read, as somebody would be given it. */
export async function readSignature(container = 'data'): Promise<string> {
  const sdk = await import('@azure/storage-blob');
  const credential = new sdk.StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY);
  return sdk
    .generateBlobSASQueryParameters(
      {
        containerName: container,
        permissions: sdk.ContainerSASPermissions.parse('rl'),
        expiresOn: new Date(Date.now() + 3_600_000),
        version: '2024-11-04',
      },
      credential,
    )
    .toString();
}

export async function s3Store(bucket = 'data'): Promise<Store> {
  const keys = { ROOT_ACCESS_KEY: 'test', ROOT_SECRET_KEY: 'test-secret' };
  const server = await begin((port, folder) => {
    mkdirSync(join(folder, 'side'));
    mkdirSync(join(folder, 'data'));
    const listen = ['--port', `127.0.0.1:${port}`, '-q'];
    return [VERSITYGW, ...listen, 'posix', '--sidecar', join(folder, 'side'), join(folder, 'data')];
  }, keys);
  const { S3Client, CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, PutObjectCommand } =
    await import('@aws-sdk/client-s3');
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: keys.ROOT_ACCESS_KEY, secretAccessKey: keys.ROOT_SECRET_KEY },
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    kind: 's3',
    port: server.port,
    env: (port = server.port) => ({
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: keys.ROOT_ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: keys.ROOT_SECRET_KEY,
      NODE_NO_WARNINGS: '1',
    }),
    url: (path) => `s3://${bucket}/${path}`,
    put: async (name, content) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: Buffer.from(content) }));
    },
    remove: async (name) => {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: name }));
    },
    read: async (name) => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
        return await Body?.transformToString();
      } catch (error) {
        if ((error as Error).name === 'NoSuchKey') return undefined;
        throw error;
      }
    },
    stop: async () => {
      client.destroy();
      await server.stop();
    },
  };
}

/** Those that can be had here. */
export const STORES = [
  { name: 'Blob', open: blobStore, missing: WHY_NO_BLOB },
  { name: 'S3', open: s3Store, missing: WHY_NO_S3 },
] as const;
