/**
 * Defects made by hand: one exact snippet of one file replaced while bundling. Each breaks a rule that the simulator
 * must notice. Files of src are the real ones; those of test/simulator stand for a shell that can't run here.
 */
export interface Mutant {
  readonly name: string;
  /** The rule of docs or of the protocol that it breaks. */
  readonly rule: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const core = (file: string) => `src/core/${file}.ts`;
const model = (file: string) => `test/simulator/${file}.ts`;

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'no sync of the spool before the ledger',
    rule: 'rows are durable before their record',
    file: model('committer'),
    from: 'fail, () => this.sync(this.spool, fail, stored));',
    to: 'fail, stored);',
  },
  {
    name: 'ledger before the rows',
    rule: 'rows are durable before their record',
    file: model('committer'),
    from: `      this.commit(events, fail, () => {
        for (const part of released) {
          this.world.releasePart(part);
          this.needed.delete(part);
        }
        show(events);
      });`,
    to: `      for (const part of released) this.world.releasePart(part);
      show(events);`,
  },
  {
    name: 'no sync of the ledger',
    rule: 'shown when durable',
    file: model('committer'),
    from: `      this.sync(this.ledger.file, fail, () => {
        this.ledger.end = end;
        this.world.durable(events);
        then();
      });`,
    to: `      this.ledger.end = end;
      this.world.durable(events);
      then();`,
  },
  {
    name: 'shown before it is stored',
    rule: 'shown when durable',
    file: model('committer'),
    from: `    const frame = this.ledger.frame(events);`,
    to: `    this.world.publish(events);
    const frame = this.ledger.frame(events);`,
  },
  {
    name: 'the spool is not cut at recovery',
    rule: 'a commit begins at the committed end',
    file: model('world'),
    from: '    this.spool.truncate(recovery.spoolEnd);\n',
    to: '',
  },
  {
    name: 'the ledger is not cut at recovery',
    rule: 'what follows a torn frame is lost',
    file: model('world'),
    from: '      this.ledger.truncate(wholeBytes);\n',
    to: '',
  },
  {
    name: 'a second hand-out leaves before its record is durable',
    rule: 'dispatch numbers are durable before dispatch',
    file: model('shell'),
    from: `    this.committer.barrier(() => {
      if (this.committer.broken) return;
      this.send([assignment]);
    });`,
    to: '    this.send([assignment]);',
  },
  {
    name: 'reserved without waiting for the record',
    rule: 'dispatch numbers are durable before dispatch',
    file: model('shell'),
    from: `      this.committer.barrier(() => {
        if (!this.committer.broken) this.feed({ type: 'reserved', below });
      });`,
    to: `      this.feed({ type: 'reserved', below });`,
  },
  {
    name: 'reserved without a synced manifest',
    rule: 'the list is durable before the right to hand it out',
    file: model('shell'),
    from: `      this.world.manifest.sync();
      this.note({ type: 'dispatch-reserved'`,
    to: `      this.note({ type: 'dispatch-reserved'`,
  },
  {
    name: 'what failed to be stored is stored again later',
    rule: 'no sync is tried again blindly',
    file: model('committer'),
    from: '      this.failed = true;\n',
    to: '',
  },
  {
    name: 'Completed although the shell failed',
    rule: 'what cannot be recorded is no good end',
    file: core('step'),
    from: "    case 'shell-failed':",
    to: "    case 'shell-failed':\n      if (state.phase === 'stopping') return undefined;",
  },
  {
    name: 'dispatch without reservation',
    rule: 'only reserved ones are handed out',
    file: core('dispatch'),
    from: 'if (!range || range.from >= state.reservedBelow) return undefined;',
    to: 'if (!range) return undefined;',
  },
  {
    name: 'no fence of dispatch numbers',
    rule: 'late outcomes change nothing',
    file: core('outcomes'),
    from: `  if (current?.dispatch !== event.dispatch) {
    out.push({ type: 'late' });`,
    to: `  if (!current) {
    out.push({ type: 'late' });`,
  },
  {
    name: 'no fence for returns',
    rule: 'late returns change nothing',
    file: core('outcomes'),
    from: `  const current = state.inFlight.get(event.index);
  if (current?.dispatch !== event.dispatch) return;`,
    to: `  const current = state.inFlight.get(event.index);
  if (!current) return;`,
  },
  {
    name: 'dispatch numbers start again',
    rule: 'dispatch numbers grow',
    file: core('dispatch'),
    from: 'if (trouble) trouble.lastDispatch = dispatch;',
    to: '',
  },
  {
    name: 'the end of a worker gives nothing back',
    rule: 'nothing is lost',
    file: core('step'),
    from: "if (current) onReturned(state, { type: 'returned', index, dispatch: current.dispatch, worker: id }, now);",
    to: 'if (current && current.dispatch > 1e6) return;',
  },
  {
    name: 'a return uses up a try',
    rule: 'losses of ours are not the script’s',
    file: core('outcomes'),
    from: '  troubleOf(state, event.index, current);\n  state.waiting.unshift',
    to: '  troubleOf(state, event.index, current).fails += 1;\n  state.waiting.unshift',
  },
  {
    name: 'a lost node uses up a try',
    rule: 'losses of ours are not the script’s',
    file: core('outcomes'),
    from: "if (failure.kind === 'node-lost') trouble.infraLosses += 1;",
    to: "if (failure.kind === 'node-lost') trouble.fails += 1;",
  },
  {
    name: 'one try more',
    rule: 'fails <= tries',
    file: core('outcomes'),
    from: 'if (trouble.fails >= state.config.maxTries ||',
    to: 'if (trouble.fails > state.config.maxTries ||',
  },
  {
    name: 'a failed one is tried again',
    rule: 'failed is final',
    file: core('outcomes'),
    from: '  const dead = items === 1 ?',
    to: '  state.waiting.push({ index, readyAt: now });\n  const dead = items === 1 ?',
  },
  {
    name: 'a retry is never due',
    rule: 'each mini-batch comes to its end',
    file: core('outcomes'),
    from: 'readyAt: now + retryAfterMs });',
    to: 'readyAt: now * 1e6 + 1e12 });',
  },
  {
    name: 'a retry waits for nothing',
    rule: 'back-off',
    file: core('dispatch'),
    from: 'if (!entry || entry.readyAt > now) continue;',
    to: 'if (!entry) continue;',
  },
  {
    name: 'a dead worker stays ready',
    rule: 'nothing goes to a dead worker',
    file: core('outcomes'),
    from: 'if (worker && endsWorker(failure)) setReady(state, worker, false);',
    to: "if (!worker && endsWorker(failure)) return { as: 'requeue' };",
  },
  {
    name: 'greater or equal (items)',
    rule: 'thresholds are "greater than"',
    file: core('watch'),
    from: 'state.failedItems > errorThreshold)',
    to: 'state.failedItems >= errorThreshold)',
  },
  {
    name: 'greater or equal (mini-batches)',
    rule: 'thresholds are "greater than"',
    file: core('watch'),
    from: 'state.failed > miniBatchErrorThreshold)',
    to: 'state.failed >= miniBatchErrorThreshold)',
  },
  {
    name: 'percentage judged too early',
    rule: 'the percentage has its base',
    file: core('watch'),
    from: 'state.creationFinished && state.created > 0 &&',
    to: 'state.created > 0 &&',
  },
  {
    name: 'in doubt is lost at recovery',
    rule: 'what is neither done nor failed is open',
    file: core('recover'),
    from: '        state.waiting.push({ index, readyAt: now });',
    to: '',
  },
  {
    name: 'in doubt is fresh again',
    rule: 'dispatch numbers grow over crashes',
    file: core('recover'),
    from: '        state.trouble.set(index, trouble);',
    to: '        if (this.trouble.has(index)) state.trouble.set(index, newTrouble(dispatchNumber(1)));',
  },
  {
    name: 'tries are forgotten at recovery',
    rule: 'tries count over crashes',
    file: core('recover'),
    from: '    else trouble.fails += 1;',
    to: '',
  },
  {
    name: 'a done one is opened again at recovery',
    rule: 'done is final',
    file: core('recover'),
    from: '    this.settled.add(index);\n  }',
    to: '    if (index % 7 !== 3) this.settled.add(index);\n  }',
  },
  {
    name: 'a requeue at recovery costs a try',
    rule: 'losses of ours are not the script’s',
    file: core('recover'),
    from: "      if (failure.kind === 'node-lost') trouble.infraLosses += 1;\n      if (failure.kind === 'worker-lost') trouble.alone = true;\n      return;",
    to: '',
  },
  {
    name: 'redispatch records are not read',
    rule: 'dispatch numbers grow over crashes',
    file: core('recover'),
    from: '        this.handedOut(event.index, event.dispatch);\n        return;',
    to: '        return;',
  },
  {
    name: 'the verdict before the workers are gone',
    rule: 'finish after stop',
    file: core('step'),
    from: "  state.phase = 'stopping';\n  out.push({ type: 'stop', how: 'orderly' });",
    to: "  state.phase = 'stopping';\n  out.push({ type: 'stop', how: 'orderly' });\n  finish(state, out);",
  },
  {
    name: 'canceled runs end as Completed',
    rule: 'verdict',
    file: core('step'),
    from: "    state.ending = { state: 'Canceled', exitCode };",
    to: '',
  },
  {
    name: 'work goes out after the stop',
    rule: 'nothing is dispatched after the end',
    file: core('dispatch'),
    from: "if (state.phase !== 'running' || state.held) return;",
    to: "if (state.phase === 'finished' || state.held) return;",
  },
  {
    name: 'held for ever',
    rule: 'each mini-batch comes to its end',
    file: core('step'),
    from: 'state.held = event.on;',
    to: 'state.held ||= event.on;',
  },
  {
    name: 'no-progress counts from the last outcome',
    rule: 'no mini-batch ends for so long while workers hold some',
    file: core('dispatch'),
    from: '  if (state.inFlight.size === 0) state.lastProgressAt = Math.max(state.lastProgressAt, now);\n',
    to: '',
  },
  {
    name: 'any tail that is no frame is damage',
    rule: 'only a whole frame behind it proves damage',
    file: model('ledgerfile'),
    from: "return hasFrame(rest) ? 'damaged' : 'torn';",
    to: "return 'damaged';",
  },
  {
    name: 'a late duplicate takes the part away',
    rule: 'rows live somewhere until they are committed',
    file: model('shell'),
    from: '    if (!this.committer.needs(part) && !this.settlement.keeps(part)) this.world.parts.delete(part);',
    to: '    this.world.parts.delete(part);',
  },
  {
    name: 'a late duplicate takes the part of a kept result away',
    rule: 'rows live somewhere until they are committed',
    file: model('shell'),
    from: '!this.committer.needs(part) && !this.settlement.keeps(part)',
    to: '!this.committer.needs(part)',
  },
  {
    name: 'rows of good parts are not kept',
    rule: 'good items of a partial mini-batch have their rows',
    file: 'src/orchestrator/settlement.ts',
    from: 'if (part) this.keptOf(outcome.index).parts.push(part);',
    to: 'if (part && part.from > 0) this.keptOf(outcome.index).parts.push(part);',
  },
  {
    name: 'rows of parts stand in the order in which they came',
    rule: 'rows in the order of the items',
    file: 'src/orchestrator/settlement.ts',
    from: 'return parts.sort((a, b) => a.from - b.from).map(({ piece }) => piece);',
    to: 'return parts.reverse().map(({ piece }) => piece);',
  },
  {
    name: 'the last part is forgotten',
    rule: 'good items of a partial mini-batch have their rows',
    file: 'src/orchestrator/settlement.ts',
    from: 'if (from !== undefined && last) parts.push({ from, piece: last });',
    to: '',
  },
  {
    name: 'the same error everywhere is never noticed',
    rule: 'isolation stops where every part fails the same way',
    file: core('parts'),
    from: '  const times = (state.sameError.get(signature) ?? 0) + 1;',
    to: '  const times = 0;',
  },
  {
    name: 'a part that mixes items is believed',
    rule: 'parts count only where rows belong to items',
    file: core('parts'),
    from: "  if (state.isolate === 'auto' && returned !== to - from) return dropParts(state, of, to - from, returned, out);\n",
    to: '',
  },
  {
    name: 'isolation goes on after items were mixed',
    rule: 'isolation stays off for the rest of the run',
    file: core('parts'),
    from: "  state.isolate = 'off';\n",
    to: '',
  },
  {
    name: 'isolation goes on although the run is lost',
    rule: 'the run ends as its thresholds say, soon',
    file: core('parts'),
    from: "if (progress === 'run' && !endsRunAnyway(state, isolation)) {",
    to: "if (progress === 'run') {",
  },
  {
    name: 'a partial one is not a failed mini-batch',
    rule: 'partial counts as one failed mini-batch',
    file: core('outcomes'),
    from: `    case 'partial':
      state.failed += 1;`,
    to: `    case 'partial':
      state.done += 1;`,
  },
  {
    name: 'a partial one loses all its items',
    rule: 'failed items of a partial mini-batch are its dead letters',
    file: core('outcomes'),
    from: `      state.failed += 1;
      state.failedItems += settles.failed;`,
    to: `      state.failed += 1;
      state.failedItems += event.items;`,
  },
  {
    name: 'the rows of a partial one are lost at recovery',
    rule: 'a committed row stays',
    file: core('recover'),
    from: `        this.returned += returned;
        this.place(event.rows);`,
    to: `        this.returned += returned;`,
  },
  {
    name: 'a partial one tried again keeps its losses',
    rule: 'sums after --retry-failed',
    file: core('recover'),
    from: '    this.failedItems -= given.failedItems;',
    to: '    this.failedItems -= given.items;',
  },
  {
    name: 'a part uses up a try at recovery',
    rule: 'parts are no tries',
    file: core('recover'),
    from: '    if (part || !failure) return;',
    to: '    if (!failure) return;',
  },
  {
    name: 'out of memory uses up a try',
    rule: 'failure classes have counters of their own',
    file: core('outcomes'),
    from: '  if (isOutOfMemory(failure)) trouble.outOfMemory += 1;\n  else trouble.fails += 1;',
    to: '  trouble.fails += 1;',
  },
  {
    name: 'an input that is gone gets all tries',
    rule: 'no blind retry of what is not there',
    file: core('outcomes'),
    from: 'return gone && trouble.fails >= INPUT_GONE_MAX;',
    to: 'return gone && trouble.fails > INPUT_GONE_MAX;',
  },
  {
    name: 'the cause of what was given up is another hand-out',
    rule: 'each dead item names its failure',
    file: core('isolate'),
    from: 'isolation.dead.push({ from: part.from, to: part.to, dispatch: run.dispatch });',
    to: 'isolation.dead.push({ from: part.from, to: part.to, dispatch: part.siblings.cause });',
  },
  {
    name: 'an item killed once is dead',
    rule: 'a kill by chance costs no item',
    file: core('isolate'),
    from: '!part.again && isolation.runs < isolation.runsMax',
    to: 'false',
  },
  {
    name: 'given up after one probe',
    rule: 'given up only where nothing is good',
    file: core('isolate'),
    from: '  isolation.probes = singles.length;',
    to: '  isolation.probes = 1;',
  },
  {
    name: 'a second orchestrator is let in',
    rule: 'one orchestrator a run',
    file: model('world'),
    from: 'return this.shell !== undefined || this.recovering;',
    to: 'return false;',
  },
  {
    name: 'slow mini-batches pile up before they are durable',
    rule: 'a crash repeats one slow mini-batch a worker',
    file: core('dispatch'),
    from: 'return Math.min(depth, atRisk - worker.uncommitted);',
    to: 'return depth;',
  },
  {
    name: 'commits are never counted',
    rule: 'each mini-batch comes to its end',
    file: core('step'),
    from: 'if (worker) worker.uncommitted -= 1;',
    to: 'if (!worker) return undefined;',
  },
];

/** Made small, so that a run of some hundred mini-batches reaches them. */
export const SMALL: readonly Mutant[] = [
  {
    name: 'reservations of 16',
    rule: '',
    file: core('types'),
    from: 'export const RESERVE_CHUNK = 4096;',
    to: 'export const RESERVE_CHUNK = 16;',
  },
];
