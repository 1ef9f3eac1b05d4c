/** S3 and what speaks like it, by the vendor's client, which is loaded with the first path that needs it. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type * as SdkModule from '@aws-sdk/client-s3';
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { RemoteError, fromNetwork, kindOfStatus, messageOf, retryAfter } from './error.ts';
import type { RemoteErrorKind } from './error.ts';
import type { Env, S3Location } from './location.ts';
import { within } from './signal.ts';
import { RUN_METADATA } from './store.ts';
import type { PutOptions, RemoteObject, RemoteStore } from './store.ts';

const PACKAGE = '@aws-sdk/client-s3';
const PAGE = 1000;
/** Larger files go in parts; a server takes 10,000 of them. */
const ONE_PIECE_BYTES = 64 * 1024 * 1024;
const PARTS_MAX = 9000;

const silent = (): void => undefined;

type Sdk = typeof SdkModule;

export async function s3Store(location: S3Location, env: Env): Promise<RemoteStore> {
  const sdk = await import('@aws-sdk/client-s3').catch((error: unknown) => {
    throw new RemoteError('package', messageOf(error), { cause: PACKAGE });
  });
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  const own = endpoint !== undefined && endpoint !== '';
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  const client = quietly(
    () =>
      new sdk.S3Client({
        ...(own && { endpoint }),
        ...(region !== undefined && region !== '' ? { region } : own ? { region: 'us-east-1' } : {}),
        forcePathStyle: own && env['AWS_S3_ADDRESSING_STYLE'] !== 'virtual',
        // Tries are ours: they are told, and end.
        maxAttempts: 1,
        // What it has to say is told by us.
        logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent },
        followRegionRedirects: true,
        // Servers other than the vendor's own may not know the newer checksums.
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      }),
  );
  return new S3Store(sdk, client, location.bucket);
}

/** The client warns of Node versions that later releases of it won't run on; what it is installed with runs. */
function quietly<T>(make: () => T): T {
  const { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: before } = process.env;
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  try {
    return make();
  } finally {
    // workers inherit the environment
    if (before === undefined) delete process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED;
    else process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = before;
  }
}

class S3Store implements RemoteStore {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(sdk: Sdk, client: S3Client, bucket: string) {
    this.#sdk = sdk;
    this.#client = client;
    this.#bucket = bucket;
  }

  async *list(prefix: string, signal: AbortSignal, limit = PAGE): AsyncGenerator<readonly RemoteObject[]> {
    let token: string | undefined;
    do {
      const page = await this.#ask(signal, (abortSignal) =>
        this.#client.send(
          new this.#sdk.ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: prefix,
            MaxKeys: limit,
            ...(token !== undefined && { ContinuationToken: token }),
          }),
          { abortSignal },
        ),
      );
      yield (page.Contents ?? []).map(({ Key, Size, ETag, LastModified }) => ({
        name: Key ?? '',
        size: Size ?? 0,
        version: versionOf(ETag, LastModified),
        modifiedMs: LastModified?.getTime() ?? 0,
      }));
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async head(name: string, signal: AbortSignal): Promise<RemoteObject | undefined> {
    try {
      const found = await this.#ask(signal, (abortSignal) =>
        this.#client.send(new this.#sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: name }), { abortSignal }),
      );
      const writtenBy = found.Metadata?.[RUN_METADATA];
      return {
        name,
        size: found.ContentLength ?? 0,
        version: versionOf(found.ETag, found.LastModified),
        modifiedMs: found.LastModified?.getTime() ?? 0,
        ...(writtenBy !== undefined && { writtenBy }),
      };
    } catch (error) {
      if (error instanceof RemoteError && error.kind === 'not-found') return undefined;
      throw error;
    }
  }

  async get(object: RemoteObject, from: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    try {
      const { Body } = await this.#client.send(
        new this.#sdk.GetObjectCommand({
          Bucket: this.#bucket,
          Key: object.name,
          ...(from > 0 && { Range: `bytes=${from}-` }),
          ...(isTag(object.version) && { IfMatch: object.version }),
        }),
        { abortSignal: signal },
      );
      if (!Body) throw new RemoteError('transient', 'an answer without a body');
      return Body as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw toRemote(error);
    }
  }

  async put(name: string, file: string, options: PutOptions): Promise<void> {
    const { size, onlyNew, runId, signal } = options;
    const common = { Bucket: this.#bucket, Key: name };
    try {
      if (size > ONE_PIECE_BYTES) {
        await this.#putParts(common, file, options);
        return;
      }
      await this.#client.send(
        new this.#sdk.PutObjectCommand({
          ...common,
          Body: createReadStream(file),
          ContentLength: size,
          Metadata: { [RUN_METADATA]: runId },
          ...(onlyNew && { IfNoneMatch: '*' }),
        }),
        { abortSignal: signal },
      );
    } catch (error) {
      const remote = toRemote(error);
      // A condition on what is written can fail in one way only.
      throw onlyNew && remote.kind === 'changed' ? new RemoteError('exists', remote.said, { cause: error }) : remote;
    }
  }

  async #putParts(
    common: { Bucket: string; Key: string },
    file: string,
    { size, onlyNew, runId, signal: abortSignal }: PutOptions,
  ): Promise<void> {
    const metadata = { [RUN_METADATA]: runId };
    const begin = new this.#sdk.CreateMultipartUploadCommand({ ...common, Metadata: metadata });
    const { UploadId } = await this.#client.send(begin, { abortSignal });
    const partBytes = Math.max(ONE_PIECE_BYTES / 4, Math.ceil(size / PARTS_MAX));
    const handle = await open(file, 'r');
    try {
      const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
      for (let from = 0; from < size; from += partBytes) {
        const Body = Buffer.allocUnsafe(Math.min(partBytes, size - from));
        await handle.read(Body, 0, Body.length, from);
        const PartNumber = Parts.length + 1;
        const part = new this.#sdk.UploadPartCommand({ ...common, UploadId, PartNumber, Body });
        const { ETag } = await this.#client.send(part, { abortSignal });
        Parts.push({ ETag, PartNumber });
      }
      const end = { ...common, UploadId, MultipartUpload: { Parts }, ...(onlyNew && { IfNoneMatch: '*' }) };
      await this.#client.send(new this.#sdk.CompleteMultipartUploadCommand(end), { abortSignal });
    } catch (error) {
      // What was sent costs its owner money as long as it lies there.
      const abort = new this.#sdk.AbortMultipartUploadCommand({ ...common, UploadId });
      await this.#client.send(abort).catch(() => undefined);
      throw error;
    } finally {
      await handle.close();
    }
  }

  async #ask<T>(outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await within(outer, work);
    } catch (error) {
      outer.throwIfAborted();
      throw toRemote(error);
    }
  }
}

/** Servers over folders may have no ETag for files that came past them: then it is what it says of its time. */
const BY_TIME = 'modified ';
const versionOf = (tag: string | undefined, modified: Date | undefined): string =>
  tag !== undefined && tag !== '' && tag !== '""' ? tag : modified ? `${BY_TIME}${modified.getTime()}` : '';
const isTag = (version: string): boolean => version !== '' && !version.startsWith(BY_TIME);

const KINDS: Readonly<Record<string, RemoteErrorKind>> = {
  NoSuchBucket: 'no-container',
  NoSuchKey: 'not-found',
  NotFound: 'not-found',
  RequestTimeTooSkewed: 'clock',
  AuthorizationHeaderMalformed: 'region',
  PermanentRedirect: 'region',
  IllegalLocationConstraintException: 'region',
  InvalidAccessKeyId: 'denied',
  SignatureDoesNotMatch: 'denied',
  ExpiredToken: 'denied',
  CredentialsProviderError: 'credentials',
  TokenProviderError: 'credentials',
  SlowDown: 'transient',
  RequestTimeout: 'transient',
  InternalError: 'transient',
  PreconditionFailed: 'changed',
  ConditionalRequestConflict: 'transient',
};

function toRemote(error: unknown): RemoteError {
  if (error instanceof RemoteError) return error;
  const { name, $metadata, $response, message } = error as Partial<S3ServiceException>;
  const status = $metadata?.httpStatusCode;
  const known = KINDS[name ?? ''];
  if (status === undefined) {
    if (known !== undefined) return new RemoteError(known, message ?? '', { cause: error });
    if (/^region is missing/i.test(message ?? ''))
      return new RemoteError('region', 'no region is set, and no endpoint', { cause: error });
    return fromNetwork(error);
  }
  const words = message === undefined || message === name || message === 'UnknownError' ? '' : message.slice(0, 300);
  const said = [String(status), name, words].filter((part) => part !== undefined && part !== '' && part !== 'Unknown');
  return new RemoteError(known ?? kindOfStatus(status), said.join(' '), {
    cause: error,
    retryAfterMs: retryAfter($response?.headers['retry-after']),
  });
}
