/** The advertised address of this node: the `<ip>` of the log folders. See `findAddress` for the order of means. */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { nodeAddress } from '../domain/ids.ts';
import type { NodeAddress } from '../domain/ids.ts';

const LOOPBACK = '127.0.0.1';
/** A resolver that doesn't answer must not delay the first mini-batch. */
const LOOKUP_MS_MAX = 1000;

/** Facts the choice is made from. */
export interface AddressFacts {
  readonly advertise?: string | undefined;
  /** IPv4 address of the own host name. */
  readonly ofHostName?: string | undefined;
  /** Text of `/proc/net/route`. */
  readonly routes?: string | undefined;
  /** IPv4 addresses per interface. */
  readonly interfaces: Readonly<Record<string, readonly string[]>>;
}

/** `--advertise`, else the host name's address unless it is a loopback, else that of the default route, else 127.0.0.1. */
export function chooseAddress(facts: AddressFacts): NodeAddress {
  if (facts.advertise !== undefined && facts.advertise !== '') return nodeAddress(facts.advertise);
  if (facts.ofHostName !== undefined && !isLoopback(facts.ofHostName)) return nodeAddress(facts.ofHostName);
  const device = defaultRouteInterface(facts.routes ?? '');
  const routed = device === undefined ? undefined : facts.interfaces[device]?.find((a) => !isLoopback(a));
  return nodeAddress(routed ?? LOOPBACK);
}

const isLoopback = (address: string): boolean => address.startsWith('127.');

/** Name of the interface with the default route of the lowest metric in a `/proc/net/route` table. */
export function defaultRouteInterface(routes: string): string | undefined {
  let best: { readonly name: string; readonly metric: number } | undefined;
  for (const line of routes.split('\n').slice(1)) {
    const [name, destination, , flags, , , metricText, mask] = line.trim().split(/\s+/);
    if (name === undefined || destination !== '00000000' || mask !== '00000000') continue;
    const isUp = (Number.parseInt(flags ?? '0', 16) & 1) === 1;
    const metric = Number(metricText);
    if (isUp && (best === undefined || metric < best.metric)) best = { name, metric };
  }
  return best?.name;
}

/** Asks the machine. Never fails: without any means it is 127.0.0.1. */
export async function findAddress(advertise?: string): Promise<NodeAddress> {
  if (advertise !== undefined && advertise !== '') return nodeAddress(advertise);
  return chooseAddress({
    ofHostName: await addressOfHostName(),
    routes: readRoutes(),
    interfaces: interfaceAddresses(),
  });
}

async function addressOfHostName(): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), LOOKUP_MS_MAX);
  });
  const found = lookup(hostname(), { family: 4 }).then(
    (answer) => answer.address,
    () => undefined,
  );
  const address = await Promise.race([found, tooLong]);
  clearTimeout(timer);
  return address;
}

function readRoutes(): string | undefined {
  try {
    return readFileSync('/proc/net/route', 'utf8');
  } catch {
    return undefined;
  }
}

function interfaceAddresses(): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    result[name] = (addresses ?? []).filter((a) => a.family === 'IPv4').map((a) => a.address);
  }
  return result;
}
