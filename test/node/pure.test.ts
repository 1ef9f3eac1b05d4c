/** The small pure parts: addresses, environment, `/proc` parsers, rows, messages, OOM counters. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseAddress, defaultRouteInterface } from '../../src/node/address.ts';
import { parseCpu, parseDisks, parseNetwork, parseSockets } from '../../src/node/counters.ts';
import { parseGpuLine } from '../../src/node/gpus.ts';
import { asWorkerMessage } from '../../src/node/messages.ts';
import { OomWitness, oomCounterFiles } from '../../src/node/oom.ts';
import { parseCounters, parseStat, treeOf } from '../../src/node/procfs.ts';
import { RETIRED_FILE_BYTES_MAX, RawBudget } from '../../src/node/rawbudget.ts';
import { PROCESS_HEADER, processRow, systemHeader, systemRow } from '../../src/node/samples.ts';

const ROUTES = `Iface	Destination	Gateway	Flags	RefCnt	Use	Metric	Mask	MTU	Window	IRTT
eth1	00000000	0102A8C0	0003	0	0	100	00000000	0	0	0
eth0	00000000	010200C0	0003	0	0	50	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`;
const interfaces = { lo: ['127.0.0.1'], eth0: ['192.0.2.7'], eth1: ['198.51.100.7'] };

test('the address: advertised, else of the host name, else of the default route, else loopback', () => {
  const facts = { ofHostName: '203.0.113.9', routes: ROUTES, interfaces };
  expect(chooseAddress({ ...facts, advertise: 'node-a' })).toBe('node-a');
  expect(chooseAddress(facts)).toBe('203.0.113.9');
  expect(chooseAddress({ ...facts, ofHostName: '127.0.1.1' })).toBe('192.0.2.7');
  expect(chooseAddress({ routes: ROUTES, interfaces: { lo: ['127.0.0.1'] } })).toBe('127.0.0.1');
  expect(chooseAddress({ interfaces })).toBe('127.0.0.1');
});

test('the default route of the lowest metric counts, one that is down does not', () => {
  expect(defaultRouteInterface(ROUTES)).toBe('eth0');
  expect(defaultRouteInterface(ROUTES.replace('010200C0	0003', '010200C0	0002'))).toBe('eth1');
  expect(defaultRouteInterface('')).toBeUndefined();
});

test('a process may have any name', () => {
  const tail = 'S 10 20 30 0 -1 0 0 0 0 0 150 50 20 10 20 0 7 0 12345 99999 250 0 0';
  expect(parseStat(`42 (a) b (c) ${tail}`)).toEqual({
    pid: 42,
    comm: 'a) b (c',
    state: 'S',
    parent: 10,
    session: 30,
    userSeconds: 1.5,
    systemSeconds: 0.5,
    childUserSeconds: 0.2,
    childSystemSeconds: 0.1,
    threads: 7,
    startedAt: 123.45,
    rssPages: 250,
  });
  expect(parseStat('')).toBeUndefined();
});

test('the tree: children of children, and the session, and children of those', () => {
  const stat = (pid: number, parent: number, session: number) => ({
    ...(parseStat(`${pid} (x) S ${parent} 0 ${session} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0`) as NonNullable<
      ReturnType<typeof parseStat>
    >),
  });
  const all = [
    stat(1, 0, 1),
    stat(10, 1, 10),
    stat(11, 10, 10),
    stat(12, 11, 12),
    stat(13, 1, 10),
    stat(14, 13, 14),
    stat(20, 1, 20),
  ];
  expect(treeOf(10, all).map((s) => s.pid)).toEqual([10, 11, 12, 13, 14]);
});

test('counters of the kernel', () => {
  expect(parseCounters('MemTotal:  100 kB\noom_kill 3\nnot a line\n')).toEqual(
    new Map([
      ['MemTotal', 100],
      ['oom_kill', 3],
    ]),
  );
  expect(parseCpu('cpu  10 1 20 100 5 2 3 4 7 0\ncpu0 1 1 1')).toEqual({ cpuBusy: 40, cpuTotal: 145 });
  const disk = (name: string) => ` 8 0 ${name} 10 0 100 0 20 0 200 0 0 0 0`;
  expect(parseDisks(['sda', 'sda1', 'loop0', 'nvme0n1', 'nvme0n1p2', 'dm-0'].map(disk).join('\n'))).toEqual({
    reads: 20,
    writes: 40,
    readBytes: 200 * 512,
    writtenBytes: 400 * 512,
  });
  const net =
    'Inter-| x\n face | y\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0:5 0 0 0 0 0 0 0 7 0\n  eth1: 1 0 0 0 0 0 0 0 1 0';
  expect(parseNetwork(net)).toEqual({ receivedBytes: 6, sentBytes: 8 });
  expect(parseSockets('TCP: inuse 3 orphan 0\nUDP: inuse 2 mem 0\nTCP6: inuse 4\nUDPLITE: inuse 9\n')).toEqual({
    tcp: 7,
    udp: 2,
  });
});

test('rows have as many cells as their headers', () => {
  const counters = {
    name: 'py,"x"',
    userSeconds: 3,
    systemSeconds: 1,
    rssBytes: 3 * 1024 * 1024,
    reads: 1,
    writes: 2,
    readBytes: 1024 * 1024,
    writtenBytes: 0,
    threads: 4,
    openFiles: 9,
  };
  const before = { ...counters, userSeconds: 2, systemSeconds: 0.5 };
  const at = Date.UTC(2020, 9, 24, 2, 59, 16, 472);
  expect(processRow(at, { ...counters, name: 'python3' }, before, 3, 30 * 1024 * 1024)).toBe(
    '2020-10-24T02:59:16.472000,python3,50.0,3.00,1.00,10.0,3.00,1,2,1.00,0.00,4,9\n',
  );
  expect(processRow(at, counters, undefined, 8, 0)).toContain(',"py,""x""",50.0,');
  expect(PROCESS_HEADER.split(',')).toHaveLength(13);
  const system = {
    cpuBusy: 30,
    cpuTotal: 200,
    memoryTotal: 4 * 1024 * 1024,
    memoryAvailable: 1024 * 1024,
    reads: 1,
    writes: 2,
    readBytes: 0,
    writtenBytes: 0,
    sentBytes: 0,
    receivedBytes: 0,
    tcp: 3,
    udp: 4,
    diskUsedPercent: 12.34,
  };
  const row = systemRow(at, system, { ...system, cpuBusy: 10, cpuTotal: 100 }, [
    { utilisationPercent: 37, memoryUsedMB: 5, memoryTotalMB: 6 },
    undefined,
  ]);
  expect(row).toBe('2020-10-24T02:59:16.472000,20.0,4.00,1.00,3.00,75.0,1,2,0.00,0.00,0.00,0.00,3,4,12.3,37,5,6,,,\n');
  expect(systemHeader(2).split(',')).toHaveLength(row.split(',').length);
});

test('readings of a GPU', () => {
  expect(parseGpuLine('1, 37, 1024, 16384')).toEqual({
    index: 1,
    reading: { utilisationPercent: 37, memoryUsedMB: 1024, memoryTotalMB: 16384 },
  });
  expect(parseGpuLine('0, [N/A], 1, 2')?.reading.utilisationPercent).toBe(0);
  expect(parseGpuLine('NVIDIA-SMI has failed')).toBeUndefined();
});

test('a header that lacks a field is no message', () => {
  const good = { m: 'done', i: 1, d: 1, n: 1, k: 1, w: [1, 2], c: [0, 1], r: 1, o: [0, 0] };
  expect(asWorkerMessage(good)).toBe(good);
  for (const field of ['i', 'd', 'n', 'k', 'w', 'c', 'r', 'o'])
    expect(asWorkerMessage({ ...good, [field]: undefined })).toBeUndefined();
  expect(asWorkerMessage({ ...good, i: -1 })).toBeUndefined();
  expect(asWorkerMessage({ ...good, part: { path: 7 } })).toBeUndefined();
  expect(asWorkerMessage({ ...good, columns: ['a', 1] })).toBeUndefined();
  expect(asWorkerMessage({ m: 'constructor' })).toBeUndefined();
});

test('the counter of the own cgroup comes before that of the machine', () => {
  expect(oomCounterFiles('4:memory:/box/7\n0::/unified\n')).toEqual([
    '/sys/fs/cgroup/memory/box/7/memory.oom_control',
    '/sys/fs/cgroup/memory/memory.oom_control',
    '/sys/fs/cgroup/unified/memory.events',
    '/sys/fs/cgroup/memory.events',
    '/proc/vmstat',
  ]);
});

test('each rise of the counter explains one death, and old rises none', () => {
  let kills = 5;
  const witness = new OomWitness(() => kills);
  expect(witness.explainsKill()).toBe(false);
  kills = 6;
  expect([witness.explainsKill(), witness.explainsKill()]).toEqual([true, false]);
  kills = 7;
  witness.refresh(10_000);
  expect(witness.explainsKill()).toBe(true);
  kills = 8;
  witness.refresh(20_000);
  witness.refresh(30_000);
  expect(witness.explainsKill()).toBe(false);
});

describe('raw files of ended workers', () => {
  test('large ones go at once, the oldest where all together are too much; ranges keep their meaning', () => {
    const folder = mkdtempSync(join(tmpdir(), 'raw-'));
    const file = (name: string, bytes: number, index: string): string => {
      const path = join(folder, name);
      writeFileSync(path, Buffer.alloc(bytes));
      writeFileSync(`${path}.idx`, index);
      return path;
    };
    try {
      const budget = new RawBudget(250);
      const large = file('large', RETIRED_FILE_BYTES_MAX + 1, `5 100 ${RETIRED_FILE_BYTES_MAX + 101}\n`);
      const [a, b, c] = ['a', 'b', 'c'].map((name) => file(name, 100, '7 0 100\n'));
      budget.retire([large, a ?? '', b ?? '', c ?? '']);
      const sizes = [large, a, b, c].map((path) => statSync(path ?? '').size);
      expect(sizes).toEqual([0, 0, 100, 100]);
      const end = RETIRED_FILE_BYTES_MAX + 101;
      expect(readFileSync(`${large}.idx`, 'utf8')).toBe(`5 100 ${end}\n5 ${end} ${end}\n`);
      expect(readFileSync(`${a}.idx`, 'utf8')).toBe('7 0 100\n7 100 100\n');
      expect(readFileSync(`${b}.idx`, 'utf8')).toBe('7 0 100\n');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
