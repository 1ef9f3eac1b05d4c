/**
 * Headers of frames as messages of a worker. A script may write anything to any descriptor, so nothing of a frame is
 * trusted before its fields have the types that the steps rely on. Pure.
 */
import type { WorkerMessage } from '../domain/protocol.ts';

type Header = Readonly<Record<string, unknown>>;

/** @returns undefined where the header is no message of the protocol. */
export function asWorkerMessage(header: Header): WorkerMessage | undefined {
  return isWorkerMessage(header) ? header : undefined;
}

function isWorkerMessage(header: Header): header is Header & WorkerMessage {
  switch (header['m'] as WorkerMessage['m']) {
    case 'begin':
      return isCount(header['i']) && isCount(header['d']) && isNumber(header['w']) && isPair(header['o']);
    case 'done':
      return isTryEnd(header) && isCount(header['k']) && isPart(header['part']) && isColumns(header['columns']);
    case 'failed':
      return (
        isTryEnd(header) && isError(header['error']) && isCountOrNone(header['item']) && isCountOrNone(header['rss'])
      );
    case 'hello':
      return isNumber(header['protocol']) && isNumber(header['pid']);
    case 'loaded':
    case 'initialized':
    case 'bye':
      return isNumber(header['s']);
    case 'stage-error':
      return isNumber(header['s']) && typeof header['stage'] === 'string' && isError(header['error']);
    case 'debug-waiting':
      return isNumber(header['port']);
    case 'record':
      return typeof header['what'] === 'string' && typeof header['name'] === 'string';
    default:
      return false;
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isCountOrNone = (value: unknown): boolean => value === undefined || isCount(value);
const isPair = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && isNumber(value[0]) && isNumber(value[1]);

function isTryEnd(header: Header): boolean {
  return (
    isCount(header['i']) &&
    isCount(header['d']) &&
    isCount(header['n']) &&
    isNumber(header['r']) &&
    isPair(header['w']) &&
    isPair(header['c']) &&
    isPair(header['o'])
  );
}

const isObject = (value: unknown): value is Header => typeof value === 'object' && value !== null;
const isError = (value: unknown): boolean => isObject(value) && typeof value['kind'] === 'string';
const isPart = (value: unknown): boolean =>
  value === undefined || (isObject(value) && typeof value['path'] === 'string' && isCount(value['bytes']));
const isColumns = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.every((name) => typeof name === 'string'));
