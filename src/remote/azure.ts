/** Azure Blob storage, by the vendor's client, which is loaded with the first path that needs it. */
import type * as SdkModule from '@azure/storage-blob';
import type {
  AnonymousCredential,
  BlobItem,
  BlobServiceClient,
  ContainerClient,
  ContainerListBlobFlatSegmentResponse,
  RestError,
} from '@azure/storage-blob';
import { RemoteError, codeOf, fromNetwork, isTransientCode, kindOfStatus, messageOf, retryAfter } from './error.ts';
import type { RemoteErrorKind } from './error.ts';
import { connectionOf } from './location.ts';
import type { AzureLocation, Env } from './location.ts';
import { within } from './signal.ts';
import { RUN_METADATA } from './store.ts';
import type { PutOptions, RemoteObject, RemoteStore } from './store.ts';

const PACKAGE = '@azure/storage-blob';
const PAGE = 5000;
const BLOCK_BYTES = 16 * 1024 * 1024;
/** Larger files go in blocks. */
const ONE_PIECE_BYTES = 64 * 1024 * 1024;
/** Tries are ours: they are told, and end. */
const NO_RETRIES = { retryOptions: { maxTries: 1 } };

/** Where somebody installed it: sign-ins of command lines, managed identities. */
const IDENTITY = '@azure/identity' as string;

type Sdk = typeof SdkModule;
interface Identity {
  /** Of the kinds of credentials that the client takes, in the type of another one that it exports. */
  readonly DefaultAzureCredential: new () => AnonymousCredential;
}

export async function azureStore(location: AzureLocation, env: Env): Promise<RemoteStore> {
  const sdk = await import('@azure/storage-blob').catch((error: unknown) => {
    throw new RemoteError('package', messageOf(error), { cause: PACKAGE });
  });
  const service = await serviceFor(sdk, location, env);
  return new AzureStore(service.getContainerClient(location.container));
}

/** In falling precedence: signature in the URL, connection string, signature, key, what @azure/identity finds, nobody. */
async function serviceFor(sdk: Sdk, location: AzureLocation, env: Env): Promise<BlobServiceClient> {
  const { account, endpoint } = location;
  const connection = connectionOf(env);
  const connected = connection?.account === account ? connection : undefined;
  const sas =
    location.sas ?? connected?.sas ?? (connected?.key === undefined ? env['AZURE_STORAGE_SAS_TOKEN'] : undefined);
  if (sas !== undefined && sas !== '')
    return new sdk.BlobServiceClient(`${endpoint}?${sas.replace(/^\?/, '')}`, undefined, NO_RETRIES);
  const key = connected?.key ?? (env['AZURE_STORAGE_ACCOUNT'] === account ? env['AZURE_STORAGE_KEY'] : undefined);
  try {
    if (key !== undefined && key !== '')
      return new sdk.BlobServiceClient(endpoint, new sdk.StorageSharedKeyCredential(account, key), NO_RETRIES);
  } catch (error) {
    throw new RemoteError('credentials', messageOf(error), { cause: error });
  }
  const identity = await (import(IDENTITY) as Promise<Identity>).catch(() => undefined);
  const credential = identity && endpoint.startsWith('https:') ? new identity.DefaultAzureCredential() : undefined;
  return new sdk.BlobServiceClient(endpoint, credential, NO_RETRIES);
}

class AzureStore implements RemoteStore {
  readonly #container: ContainerClient;

  constructor(container: ContainerClient) {
    this.#container = container;
  }

  async *list(prefix: string, signal: AbortSignal, limit = PAGE): AsyncGenerator<readonly RemoteObject[]> {
    let continuationToken: string | undefined;
    do {
      const page = await this.#ask(signal, async (abortSignal) => {
        const pages = this.#container
          .listBlobsFlat({ prefix, abortSignal, includeMetadata: true })
          .byPage({ maxPageSize: limit, ...(continuationToken !== undefined && { continuationToken }) });
        const { value } = (await pages.next()) as { value?: ContainerListBlobFlatSegmentResponse };
        return value;
      });
      // Accounts with folders list these too, as empty blobs with a mark.
      const blobs = (page?.segment.blobItems ?? []).filter((blob) => blob.metadata?.['hdi_isfolder'] !== 'true');
      yield blobs.map(objectOf);
      continuationToken = page?.continuationToken;
    } while (continuationToken !== undefined && continuationToken !== '');
  }

  async head(name: string, signal: AbortSignal): Promise<RemoteObject | undefined> {
    try {
      const found = await this.#ask(signal, (abortSignal) =>
        this.#container.getBlobClient(name).getProperties({ abortSignal }),
      );
      if (found.metadata?.['hdi_isfolder'] === 'true') return undefined;
      const writtenBy = found.metadata?.[RUN_METADATA];
      return {
        name,
        size: found.contentLength ?? 0,
        version: found.etag ?? '',
        modifiedMs: found.lastModified?.getTime() ?? 0,
        ...(writtenBy !== undefined && { writtenBy }),
      };
    } catch (error) {
      if (error instanceof RemoteError && error.kind === 'not-found') return undefined;
      throw error;
    }
  }

  async get(object: RemoteObject, from: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    try {
      const conditions = object.version === '' ? {} : { conditions: { ifMatch: object.version } };
      const answer = await this.#container
        .getBlobClient(object.name)
        .download(from, undefined, { abortSignal: signal, maxRetryRequests: 0, ...conditions });
      if (!answer.readableStreamBody) throw new RemoteError('transient', 'an answer without a body');
      return answer.readableStreamBody as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw toRemote(error);
    }
  }

  async put(name: string, file: string, { size, onlyNew, runId, signal }: PutOptions): Promise<void> {
    const conditions = onlyNew ? { conditions: { ifNoneMatch: '*' } } : {};
    try {
      await this.#container.getBlockBlobClient(name).uploadFile(file, {
        abortSignal: signal,
        blockSize: Math.max(BLOCK_BYTES, Math.ceil(size / 40_000)),
        concurrency: 4,
        maxSingleShotSize: ONE_PIECE_BYTES,
        metadata: { [RUN_METADATA]: runId },
        ...conditions,
      });
    } catch (error) {
      const remote = toRemote(error);
      // A condition on what is written can fail in one way only.
      throw onlyNew && remote.kind === 'changed' ? new RemoteError('exists', remote.said, { cause: error }) : remote;
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

function objectOf({ name, properties }: BlobItem): RemoteObject {
  return {
    name,
    size: properties.contentLength ?? 0,
    version: quoted(properties.etag),
    modifiedMs: properties.lastModified.getTime(),
  };
}

/** Listings give it without the quotes that other answers have. */
const quoted = (etag: string): string => (etag === '' || etag.startsWith('"') ? etag : `"${etag}"`);

const KINDS: Readonly<Record<string, RemoteErrorKind>> = {
  ContainerNotFound: 'no-container',
  ContainerBeingDeleted: 'no-container',
  BlobNotFound: 'not-found',
  BlobAlreadyExists: 'exists',
  ServerBusy: 'transient',
  OperationTimedOut: 'transient',
};

function toRemote(error: unknown): RemoteError {
  if (error instanceof RemoteError) return error;
  const { statusCode: status, code, response, details } = error as Partial<RestError> & { details?: unknown };
  if (typeof status !== 'number') {
    // No such account: its name is not known to anybody.
    if (codeOf(error) === 'ENOTFOUND') return new RemoteError('no-container', messageOf(error), { cause: error });
    if (/CredentialUnavailable|AuthenticationRequired/.test((error as Error).name))
      return new RemoteError('credentials', messageOf(error), { cause: error });
    return code !== undefined && isTransientCode(code)
      ? new RemoteError('transient', messageOf(error), { cause: error })
      : fromNetwork(error);
  }
  const named = (details as { errorCode?: string } | undefined)?.errorCode ?? code;
  const said = [String(status), named, firstLine(messageOf(error))].filter((part) => part !== undefined && part !== '');
  const kind = KINDS[named ?? ''] ?? (isClock(messageOf(error)) ? 'clock' : kindOfStatus(status));
  return new RemoteError(kind, said.join(' '), {
    cause: error,
    retryAfterMs: retryAfter(response?.headers.get('retry-after')),
  });
}

const isClock = (message: string): boolean => /Request date header too old|signed (?:start|expiry) time/i.test(message);
const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').slice(0, 300);
