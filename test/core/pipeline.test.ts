import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { inOrder, pipelineVerdict, stepsToBegin } from '../../src/core/pipeline.ts';
import type { StepProgress } from '../../src/core/pipeline.ts';
import type { PipelineStep } from '../../src/domain/pipeline.ts';

const step = (name: string, ...needs: readonly string[]): PipelineStep => ({ name, type: 'parallel', needs });
/** A diamond: b and c read a, d reads both; e stands apart. */
const STEPS = [step('a'), step('b', 'a'), step('c', 'a'), step('d', 'b', 'c'), step('e')];
const phases = (found: Readonly<Record<string, StepProgress['phase']>>): Map<string, StepProgress> =>
  new Map(Object.entries(found).map(([name, phase]) => [name, { phase, exitCode: phase === 'failed' ? 1 : 0 }]));
const names = (steps: readonly PipelineStep[]): readonly string[] => steps.map(({ name }) => name);
const rules = (continueOnFailure = false) => ({ steps: STEPS, continueOnFailure });

describe('which steps begin', () => {
  it('all whose needs are done, at once', () => {
    expect(names(stepsToBegin(rules(), new Map(), false))).toEqual(['a', 'e']);
    expect(names(stepsToBegin(rules(), phases({ a: 'done', e: 'running' }), false))).toEqual(['b', 'c']);
    expect(names(stepsToBegin(rules(), phases({ a: 'done', b: 'done', c: 'running', e: 'done' }), false))).toEqual([]);
    expect(names(stepsToBegin(rules(), phases({ a: 'done', b: 'done', c: 'done', e: 'done' }), false))).toEqual(['d']);
  });

  it('none once it is canceled, or one has failed', () => {
    expect(stepsToBegin(rules(), new Map(), true)).toEqual([]);
    expect(stepsToBegin(rules(), phases({ e: 'failed' }), false)).toEqual([]);
  });

  it('those that do not need the failed one, where that is wanted', () => {
    const found = phases({ a: 'done', b: 'failed', e: 'waiting' });
    expect(names(stepsToBegin(rules(true), found, false))).toEqual(['c', 'e']);
  });
});

describe('how it ends', () => {
  const all = { a: 'done', b: 'done', c: 'done', d: 'done', e: 'done' } as const;
  it.each([
    ['all done', all, undefined, 'Completed', 0],
    ['all done, canceled too late', all, 130, 'Completed', 0],
    ['one failed', { ...all, d: 'failed' }, undefined, 'Failed', 1],
    ['canceled', { a: 'done', b: 'canceled' }, 143, 'Canceled', 143],
    ['a step canceled by itself', { ...all, d: 'canceled' }, undefined, 'Canceled', 0],
  ] as const)('%s', (_, found, canceled, state, exitCode) => {
    expect(pipelineVerdict(rules(), phases(found), canceled)).toEqual({ state, exitCode });
  });

  it('a step that stopped resumable gives its code, unless another failed for good', () => {
    const stopped = new Map<string, StepProgress>([['a', { phase: 'failed', exitCode: 3 }]]);
    expect(pipelineVerdict(rules(), stopped, undefined).exitCode).toBe(3);
    stopped.set('e', { phase: 'failed', exitCode: 1 });
    expect(pipelineVerdict(rules(), stopped, undefined).exitCode).toBe(1);
  });
});

describe('order', () => {
  it('a circle is named as it runs', () => {
    expect(inOrder([step('x', 'z'), step('y', 'x'), step('z', 'y')]).circle).toEqual(['x', 'z', 'y', 'x']);
    expect(inOrder([step('x', 'x')]).circle).toEqual(['x', 'x']);
  });

  it('each step stands behind what it needs, and none is lost', () => {
    const graphs = fc.array(fc.array(fc.nat(30), { maxLength: 4 }), { maxLength: 30 }).map((needs) =>
      // only earlier ones by number: no circle; then mixed up
      needs.map((list, i) => step(`s${i}`, ...new Set(list.filter((each) => each < i).map((each) => `s${each}`)))),
    );
    fc.assert(
      fc.property(
        graphs.chain((steps) => fc.shuffledSubarray(steps, { minLength: steps.length })),
        (steps) => {
          const { order, circle } = inOrder(steps);
          expect(circle).toBeUndefined();
          expect([...order].map(({ name }) => name).sort()).toEqual(steps.map(({ name }) => name).sort());
          const place = new Map(order.map(({ name }, i) => [name, i]));
          for (const { name, needs } of order)
            for (const need of needs) expect(place.get(need)).toBeLessThan(place.get(name) ?? -1);
        },
      ),
    );
  });
});
