/** One simulated run from its seed: time, disks, crashes and recoveries, until a verdict stands or a rule is broken. */
import { Recovery } from '../../src/core/recover.ts';
import { initialState } from '../../src/core/state.ts';
import type { CoreCommand, CoreEvent, CoreState, Verdict } from '../../src/core/types.ts';
import { crc32 } from '../../src/domain/crc32.ts';
import type { RunEnded, RunEvent } from '../../src/domain/event.ts';
import { epochMs } from '../../src/domain/ids.ts';
import type { EngineEvent } from '../../src/domain/ports.ts';
import { checkEnd, checkAssembled } from './checks.ts';
import type { CommitterWorld } from './committer.ts';
import { MS, SECOND, drawConfig } from './config.ts';
import type { FaultRates, SimConfig } from './config.ts';
import { SimFile } from './disk.ts';
import { LedgerModel, createLedger, readLedgerFile } from './ledgerfile.ts';
import { Manifest } from './manifest.ts';
import { Stored } from './observer.ts';
import { Rng } from './rng.ts';
import { ShellModel } from './shell.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';
import { holds } from './violation.ts';

const EVENTS_MAX = 3_000_000;

export class World {
  readonly config: SimConfig;
  faults: FaultRates;
  readonly random: Record<'worker' | 'network' | 'disk' | 'chaos', Rng>;
  readonly time = new Timeline();
  readonly spool = new SimFile();
  readonly ledger = new SimFile();
  readonly manifest: Manifest;
  /** Part files by name; they outlive the orchestrator. */
  readonly parts = new Map<string, Uint8Array>();
  readonly stored = new Stored();
  readonly seen = new Set<string>();
  readonly log: Trace;
  /** Worker processes started so far. */
  processes = 0;
  startFailures = 0;
  everReady = false;
  /** The disk refused something. */
  diskFailed = false;
  verdict: Verdict | undefined;
  private shell: ShellModel | undefined;
  private life = 0;
  /** Lives that go on beside the present one: none, unless the lock fails. */
  private readonly others = new Set<number>();
  private crashes = 0;
  private recovering = false;
  private crashAtNextWrite = false;
  private diskFullUntil = 0;
  private wallOffset = 0;
  private retriedFailed = false;
  private readonly ran = new Map<number, number>();
  private inDoubt = new Set<number>();
  /** Ends of the frames that a commit has begun to write, in order, with how many events they close. */
  private frames: { end: number; events: number }[] = [];
  private durableEnd = 0;
  /** What the ledger holds for good: as committed, after a recovery as decoded. */
  private events: RunEvent[] = [];
  /** How many of them are of former lives. */
  private eventsBefore = 0;

  constructor(seed: number, traced: boolean) {
    const rng = new Rng(seed);
    this.config = drawConfig(rng.split(0));
    this.faults = this.config.faults;
    this.random = { worker: rng.split(1), network: rng.split(2), disk: rng.split(3), chaos: rng.split(4) };
    this.log = new Trace(traced);
    this.manifest = new Manifest(this.config.items);
  }

  /** To the end. @throws Violation, InvariantError of the core */
  run(): void {
    this.planChaos();
    createLedger(this.ledger);
    this.durableEnd = this.ledger.cache.size;
    this.frames.push({ end: this.durableEnd, events: 0 });
    const { core } = this.config;
    this.live(initialState(core, this.millis()), this.durableEnd, 0, [], []);
    const deadline = this.config.chaosUntil + this.timeToFinish();
    while (this.verdict === undefined) {
      const entry = this.time.next();
      holds(entry !== undefined, 'stuck', () => 'nothing is planned any more');
      if (!entry) return;
      holds(entry.at < deadline && this.time.events < EVENTS_MAX, 'stuck', () => `at ${entry.at / SECOND} s`);
      if (entry.life === 0 || entry.life === this.life || this.others.has(entry.life)) entry.run();
    }
    checkEnd(this, this.events);
  }

  private timeToFinish(): number {
    const { items, core, runLimit, delay, slots } = this.config;
    const hands = items.reduce((sum, n) => sum + core.maxTries + 3 + 3 * n, 0);
    return 3600 * SECOND + hands * (runLimit + 20 * delay + SECOND) * (1 + 20 / slots);
  }

  private planChaos(): void {
    const { config } = this;
    const { chaos } = this.random;
    for (let i = 0; i < config.faults.crashes; i++) {
      const atWrite = chaos.chance(0.5);
      this.time.plan(chaos.below(config.chaosUntil), 0, () => {
        if (atWrite) this.crashAtNextWrite = true;
        else this.crash();
      });
    }
    if (chaos.chance(config.faults.diskFull)) {
      this.time.plan(chaos.below(config.chaosUntil), 0, () => {
        this.diskFullUntil = this.time.now + chaos.span(10 * MS, 5 * SECOND);
      });
    }
    if (chaos.chance(config.faults.second)) {
      this.time.plan(chaos.below(config.chaosUntil), 0, () => this.secondOrchestrator());
    }
    if (config.cancelAt !== undefined) {
      const now = chaos.chance(0.4);
      this.time.plan(config.cancelAt, 0, () => {
        this.shell?.cancel(now);
      });
    }
    this.time.plan(config.chaosUntil, 0, () => {
      this.faults = QUIET;
      this.crashAtNextWrite = false;
      this.diskFullUntil = 0;
    });
  }

  /** Somebody resumes a run that is alive. The lock is the kernel's: it is held as long as the process lives. */
  private secondOrchestrator(): void {
    if (this.verdict || (!this.shell && !this.recovering)) return;
    if (this.isLocked()) return this.saw('second orchestrator refused');
    this.others.add(this.life);
    this.life += 1;
    this.recover();
  }

  private isLocked(): boolean {
    return this.shell !== undefined || this.recovering;
  }

  // ---- lives of the orchestrator ------------------------------------------------------------------------------

  private live(
    core: CoreState,
    ledgerEnd: number,
    spoolEnd: number,
    past: readonly RunEvent[],
    opening: readonly RunEvent[],
  ): void {
    this.everReady = false;
    this.diskFailed = false;
    this.startFailures = 0;
    this.recovering = false;
    const ledger = new LedgerModel(this.ledger, ledgerEnd);
    this.life += 1;
    this.shell = new ShellModel(this, { core, ledger, spoolEnd, opening, past: [...past, ...opening] });
    this.shell.run();
  }

  private crash(): void {
    const { chaos, disk } = this.random;
    if (this.verdict || this.faults === QUIET || (!this.shell && !this.recovering)) return;
    const power = chaos.chance(this.faults.powerLoss);
    this.saw(power ? 'power loss' : 'kill');
    if (this.recovering) this.saw('crash within a recovery');
    if (this.shell && !this.shell.isIdle) this.saw('crash during work');
    this.log.line(this.time.now, () => (power ? 'power loss' : 'kill'));
    for (const file of [this.spool, this.ledger]) {
      if (power) file.powerLoss(disk);
      else file.kill(disk);
    }
    this.manifest.crash(power, disk);
    this.crashes += 1;
    this.rise(chaos.span(MS, SECOND));
  }

  /** The process is gone, whatever it had planned; another takes the run up. */
  private rise(after: number): void {
    this.shell = undefined;
    this.life += 1;
    this.recovering = false;
    this.crashAtNextWrite = false;
    this.time.plan(after, this.life, () => this.recover());
  }

  /** As `resume` does it (src/sdk/resume.ts). */
  private recover(): void {
    this.recovering = true;
    const { events, wholeBytes, tail } = readLedgerFile(this.ledger);
    this.checkFound(events.length, wholeBytes, tail);
    const recovery = new Recovery();
    for (const event of events) recovery.apply(event);
    if (recovery.ended && !this.goesOn(recovery.ended, recovery)) {
      this.verdict = verdictOf(recovery.ended);
      this.events = events;
      return;
    }
    const created = recovery.creationFinished ? recovery.created : recovery.reservedBelow;
    this.manifest.reopen(created);
    this.checkSpool(recovery);
    if (tail === 'torn') this.saw('torn tail cut');
    if (this.spool.cache.size > recovery.spoolEnd) this.saw('spool cut');
    this.spool.truncate(recovery.spoolEnd);
    this.later(this.syncTime(), () => {
      this.spool.sync();
      this.ledger.truncate(wholeBytes);
      this.ledger.rewrite(this.lastFrameBefore(wholeBytes));
      this.later(this.syncTime(), () => {
        this.ledger.sync();
        this.parts.clear();
        this.goOn(recovery, events, this.ledger.cache.size, created);
      });
    });
  }

  private goOn(recovery: Recovery, events: RunEvent[], wholeBytes: number, created: number): void {
    const ended = recovery.ended;
    const retryFailed = ended !== undefined && ended.exitCode !== 3 && ended.state !== 'Canceled';
    const retried = retryFailed ? recovery.failures() : [];
    if (retryFailed) {
      this.retriedFailed = true;
      this.saw('failed ones tried again');
    }
    this.durableEnd = wholeBytes;
    this.frames = this.frames.filter((frame) => frame.end <= wholeBytes);
    this.stored.reset(events);
    this.events = [...events];
    this.eventsBefore = events.length;
    const at = epochMs(this.wall());
    const settled = recovery.settledCount - retried.length;
    const state = recovery.toState(
      this.config.core,
      { created, items: this.manifest.itemsBelow(created), creationFinished: recovery.creationFinished, retryFailed },
      this.millis(),
    );
    const doubtful = state.waiting.map((w) => w.index as number).filter((i) => (this.ran.get(i) ?? 0) > 0);
    this.inDoubt = new Set(doubtful);
    if (doubtful.length >= 2) this.saw('recovery with two or more in doubt');
    if (recovery.resumed > 0) this.saw('recovery of a recovered run');
    if ([...state.trouble.values()].some((t) => t.fails > 0)) this.saw('recovery with tries used up before');
    if (!recovery.creationFinished) this.saw('recovery before all are created');
    const opening: RunEvent[] = [{ type: 'run-resumed', at, version: '0', pid: 1, settled, changes: [], retried }];
    this.live(state, wholeBytes, this.spool.cache.size, events, opening);
  }

  private goesOn(ended: RunEnded, recovery: Recovery): boolean {
    if (ended.state === 'Canceled') return this.config.resumeCanceled;
    if (ended.exitCode === 3 || ended.exitCode === 4) return true;
    const wanted = this.config.retryFailed && !this.retriedFailed;
    return wanted && (recovery.failures().length > 0 || ended.state === 'Failed');
  }

  private checkFound(events: number, wholeBytes: number, tail: string): void {
    holds(tail !== 'damaged', 'ledger refused', () => 'a tail torn by a crash is taken for damage');
    let count = 0;
    for (const frame of this.frames) {
      count += frame.events;
      if (frame.end === wholeBytes) break;
    }
    holds(
      this.frames.some((frame) => frame.end === wholeBytes) && count === events,
      'ledger is a prefix',
      () => `${events} events, ${wholeBytes} bytes`,
    );
    holds(
      wholeBytes >= this.durableEnd,
      'ledger is durable',
      () => `${wholeBytes} of ${this.durableEnd} bytes are left`,
    );
  }

  private checkSpool({ spoolEnd, lastExtent }: Recovery): void {
    const { bytes, size } = this.spool.cache;
    holds(size >= spoolEnd, 'spool holds what is committed', () => `${size} of ${spoolEnd} bytes are left`);
    if (!lastExtent) return;
    const { offset, bytes: length } = lastExtent;
    const sum = crc32(bytes.subarray(offset, offset + length));
    holds(sum === lastExtent.crc32, 'spool holds what is committed', () => `the bytes at ${offset} are others`);
  }

  lastFrameBefore(end: number): number {
    return Math.max(0, ...this.frames.map((frame) => frame.end).filter((each) => each < end));
  }

  /** The orchestrator has come to its end and said so. */
  ended(verdict: Verdict): void {
    this.log.line(this.time.now, () => `verdict ${verdict.state} ${verdict.exitCode} ${verdict.reason?.kind ?? ''}`);
    this.saw(`verdict ${verdict.state}`);
    const last = this.events.at(-1);
    const stored = last?.type === 'run-ended' && this.events.length > this.eventsBefore;
    if (verdict.exitCode === 3) this.saw('stopped resumable');
    if (stored) holds(last.state === verdict.state, 'verdict', () => `told ${verdict.state}, stored ${last.state}`);
    this.rise(this.random.chaos.span(MS, SECOND));
  }

  /** Makes the result from the spool; repeatable. */
  assemble(whole: boolean): void {
    checkAssembled(this, this.events, whole);
  }

  // ---- what the parts ask of the world ------------------------------------------------------------------------

  later(micros: number, run: () => void): void {
    this.time.plan(micros, this.life, run);
  }

  /** Reaches the orchestrator of that time, if there is one. */
  whoeverLives(micros: number, event: EngineEvent): void {
    const { life } = this;
    this.time.plan(micros, 0, () => {
      if (this.life !== life && this.shell) this.saw('answer of a former life');
      this.shell?.onEngine([event]);
    });
  }

  millis(): number {
    return this.time.now / MS;
  }

  /** Wall clock: jumps, which must not matter. */
  wall(): number {
    const { network } = this.random;
    if (network.next() < this.faults.clockJumps * 2 ** 31) this.wallOffset = network.between(-864_000_000, 864_000_000);
    return Math.round(1.7e12 + this.wallOffset * this.clockScale + this.millis());
  }
  clockScale = 1;

  delay(): number {
    const { delay } = this.config;
    return delay === 0 ? 0 : this.random.network.below(delay);
  }

  writeTime(): number {
    return this.diskTime(10);
  }

  syncTime(): number {
    return this.diskTime(this.config.syncTime);
  }

  private diskTime(typical: number): number {
    const micros = Math.round(typical * (0.2 + 2 * this.random.disk.float()));
    if (this.crashAtNextWrite) {
      this.crashAtNextWrite = false;
      this.saw('crash within a commit');
      this.time.plan(this.random.disk.below(micros + 1), this.life, () => this.crash());
    }
    return micros;
  }

  private room(): number {
    if (this.time.now >= this.diskFullUntil) return 1;
    this.diskFailed = true;
    return this.random.disk.float();
  }

  /** A sync that fails leaves its pages clean: they are read as if they were there, and never written again. */
  private synced(file: SimFile): boolean {
    if (!this.random.disk.chance(this.faults.syncFails)) {
      file.sync();
      return true;
    }
    this.diskFailed = true;
    this.saw('sync failed');
    file.dropUnsynced();
    return false;
  }

  committerWorld(): Omit<CommitterWorld, 'onFailure' | 'onPressure' | 'onCommitted'> {
    return {
      later: (micros, run) => this.later(micros, run),
      writeTime: () => this.writeTime(),
      syncTime: () => this.syncTime(),
      room: () => this.room(),
      synced: (file) => this.synced(file),
      part: (name) => this.parts.get(name),
      releasePart: (name) => this.parts.delete(name),
      frameBegun: (events, end) => {
        this.frames.push({ end, events: events.length });
      },
      durable: (events) => {
        this.durableEnd = this.frames.at(-1)?.end ?? 0;
        for (const event of events) {
          this.stored.add(event);
          this.events.push(event);
        }
      },
      publish: (events) => this.checkShown(events),
    };
  }

  /** Rows are shown when they can't be lost any more. */
  private checkShown(events: readonly RunEvent[]): void {
    for (const event of events) {
      if (event.type !== 'try-finished' || !event.rows) continue;
      const { offset, bytes } = event.rows;
      holds(this.spool.disk.size >= offset + bytes, 'durable before shown', () => `rows of ${event.index}`);
      const { done, failed } = this.stored;
      holds(
        done.has(event.index) || failed.has(event.index),
        'durable before shown',
        () => `the commit of ${event.index}`,
      );
    }
  }

  began(index: number, dispatch: number): void {
    this.ran.set(index, dispatch);
  }

  reallyRan(index: number): boolean {
    return this.inDoubt.delete(index);
  }

  saw(what: string): void {
    this.seen.add(what);
  }

  trace(event: CoreEvent, commands: readonly CoreCommand[]): void {
    this.log.step(this.time.now, event, commands);
  }
}

const QUIET: FaultRates = {
  exception: 0,
  hang: 0,
  crashBefore: 0,
  crashAfter: 0,
  nodeLost: 0,
  shortReturn: 0,
  initFails: 0,
  slowInit: 0,
  slowRun: 0,
  duplicate: 0,
  zombie: 0,
  crashes: 0,
  powerLoss: 0,
  diskFull: 0,
  syncFails: 0,
  clockJumps: 0,
  cancel: 0,
  second: 0,
  creationStalls: 0,
};

function verdictOf({ state, exitCode, reason }: RunEnded): Verdict {
  return { state, exitCode, ...(reason && { reason }) };
}
