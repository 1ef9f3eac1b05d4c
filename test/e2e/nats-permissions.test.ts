/** The permission matrix: what a credential is for works, and everything else is refused by the server. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodeAddress, parseRunId } from '../../src/domain/ids.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { runNames } from '../../src/engine/nats/names.ts';
import { agentPermissions, inboxOfNode, orchestratorPermissions } from '../../src/engine/nats/permissions.ts';
import type { Permissions } from '../../src/engine/nats/permissions.ts';
import { TestAgent, TestBroker, WHY_NO_BROKER } from './broker.ts';
import { Workspace } from './rig.ts';

const A = parseRunId('run.a') as RunId;
const B = parseRunId('run.b') as RunId;
const ONE = nodeAddress('10.1.0.1');
const TWO = nodeAddress('10.1.0.2');

const userLine = (user: string, { publish, subscribe }: Permissions): string =>
  `{ user: "${user}", password: "pw", permissions: ${JSON.stringify({ publish: { allow: publish }, subscribe: { allow: subscribe } })} }`;

const CONFIG = `authorization { users: [
  { user: "admin", password: "pw" }
  ${userLine('agent1a', agentPermissions(ONE, A))}
  ${userLine('agent2a', agentPermissions(TWO, A))}
  ${userLine('agent1', agentPermissions(ONE))}
  ${userLine('run-a', orchestratorPermissions(A))}
] }`;

describe.skipIf(WHY_NO_BROKER !== undefined)('credentials at the broker', () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start(CONFIG);
  });
  afterAll(() => broker.dispose());

  const urlOf = (user: string): string => broker.url.replace('//', `//${user}:pw@`);

  describe('a whole run', () => {
    let space: Workspace;
    const agents: TestAgent[] = [];
    beforeEach(() => {
      space = new Workspace();
      space.write(
        'code/score.py',
        'import os, time\ndef run(b):\n    time.sleep(0.05)\n    return [k for k, v in os.environ.items() if "pw@" in v or k.startswith("PARALLELRUN_ENGINE")] or ["nothing"]\n',
      );
      space.files('in', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, 'x'])));
    });
    afterEach(async () => {
      for (const agent of agents.splice(0)) await agent.kill();
      space.dispose();
    });
    const flags = ['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1', '--name', A];

    it('is possible with a credential for each agent and this run', async () => {
      agents.push(
        new TestAgent(urlOf('agent1a'), ONE, space.folder),
        new TestAgent(urlOf('agent2a'), TWO, space.folder),
      );
      const ended = await space.cli(...flags, '--engine', urlOf('run-a'), '--nodes', '2', '--processes', '1');
      expect(ended.code, ended.stdout + ended.stderr + agents.map(({ said }) => said).join('')).toBe(0);
      expect(space.list(A, 'logs/worker')).toEqual([ONE, TWO]);
      expect(space.rows(A)).toEqual(Array.from({ length: 20 }, () => 'nothing'));
      for (const { said } of agents) expect(said).not.toContain('pw');
      expect(space.read(A, 'state/plan.json')).not.toContain('pw@');
    });

    it('is possible with a credential of an agent for all runs', async () => {
      agents.push(new TestAgent(urlOf('agent1'), ONE, space.folder));
      const ended = await space.cli(...flags, '--engine', urlOf('run-a'), '--processes', '1');
      expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    });
  });

  describe('of an agent', () => {
    const a = runNames(A);
    const b = runNames(B);
    const mine = a.of(ONE);
    const other = a.of(TWO);
    let admin: NatsConnection;

    beforeAll(async () => {
      admin = await connect({ servers: broker.url, user: 'admin', pass: 'pw' });
      const manager = await jetstreamManager(admin);
      for (const run of [a, b]) {
        await manager.streams.add({ name: run.workStream, subjects: [run.allWork], retention: 'workqueue' });
        await manager.streams.add({ name: run.newsStream, subjects: [run.allNews], retention: 'workqueue' });
        for (const { consumer, work } of [run.of(ONE), run.of(TWO)]) {
          await manager.consumers.add(run.workStream, {
            durable_name: consumer,
            ack_policy: 'explicit',
            filter_subject: work,
          });
        }
      }
    });
    afterAll(() => admin.close());

    /** @returns what the server says to it; undefined: it is let through. */
    async function refusal(user: string, attempt: (connection: NatsConnection) => void): Promise<string | undefined> {
      const connection = await connect({
        ...{ servers: broker.url, user, pass: 'pw', inboxPrefix: inboxOfNode(ONE), reconnect: false },
      });
      const said: string[] = [];
      void (async () => {
        for await (const status of connection.status()) if (status.type === 'error') said.push(status.error.message);
      })();
      attempt(connection);
      // the answer to this comes behind that to the attempt
      await connection.flush().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await connection.close();
      return said[0];
    }

    const FORBIDDEN_PUBLISH: readonly string[] = [
      // speak as another node, or in another run
      ...[other.news, other.beat, other.join, b.of(ONE).news, b.of(ONE).beat, b.of(ONE).join],
      // orders
      ...[mine.work, other.work, b.of(ONE).work],
      // read, confirm or end the orders of others
      `$JS.API.CONSUMER.MSG.NEXT.${a.workStream}.${other.consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.${b.workStream}.${mine.consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.${a.newsStream}.${a.newsConsumer}`,
      `$JS.ACK.${a.workStream}.${other.consumer}.1.1.1.1.1`,
      `$JS.ACK.${b.workStream}.${mine.consumer}.1.1.1.1.1`,
      `$JS.ACK.${a.newsStream}.${a.newsConsumer}.1.1.1.1.1`,
      // streams and consumers
      ...[a.workStream, a.newsStream, b.workStream, b.newsStream, 'KV_PR_RUNS', `OBJ_${a.objects}`, 'NEW'].flatMap(
        (stream) =>
          ['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'SNAPSHOT'].map((what) => `$JS.API.STREAM.${what}.${stream}`),
      ),
      ...[a.workStream, a.newsStream, b.workStream, b.newsStream].flatMap((stream) => [
        `$JS.API.CONSUMER.CREATE.${stream}`,
        `$JS.API.CONSUMER.CREATE.${stream}.x.pr.>`,
        `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.x`,
        `$JS.API.CONSUMER.DELETE.${stream}.${mine.consumer}`,
        `$JS.API.STREAM.MSG.GET.${stream}`,
        `$JS.API.STREAM.MSG.DELETE.${stream}`,
        `$JS.API.DIRECT.GET.${stream}`,
        `$JS.API.DIRECT.GET.${stream}.pr`,
      ]),
      // what the run is made of, and which runs there are
      `$O.${a.objects}.C.x`,
      `$O.${a.objects}.M.x`,
      `$O.${b.objects}.M.x`,
      `$KV.PR_RUNS.${a.key}`,
      `$KV.PR_RUNS.${b.key}`,
      `$JS.API.STREAM.MSG.GET.OBJ_${b.objects}`,
      `$JS.API.CONSUMER.CREATE.OBJ_${b.objects}.x.$O`,
      ...['$JS.API.STREAM.NAMES', '$JS.API.STREAM.LIST', '$JS.API.ACCOUNT.PURGE.x', '$SYS.REQ.SERVER.PING', 'anything'],
      // answers to others
      ...['_INBOX.x', `${inboxOfNode(TWO)}.x`, `${inboxOfNode(ONE)}.x`, '_INBOX.run_run-a.x'],
    ];

    it.each(FORBIDDEN_PUBLISH)('may not publish %s', async (subject) => {
      expect(await refusal('agent1a', (connection) => connection.publish(subject, '{}'))).toMatch(/permission/i);
    });

    const FORBIDDEN_SUBSCRIBE: readonly string[] = [
      ...['>', '*', 'pr.>', '$JS.>', '$SYS.>', '$KV.>', '$O.>', '_INBOX.>', '_INBOX.*.>', `${inboxOfNode(TWO)}.>`],
      ...[mine.work, other.work, mine.news, other.news, a.allNews, a.allJoins, a.allBeats, b.allWork, b.allNews],
      ...['$JS.EVENT.>', '$JS.API.>', `$KV.PR_RUNS.>`, '_INBOX.run_run-a.>'],
    ];
    it.each(FORBIDDEN_SUBSCRIBE)('may not listen to %s', async (subject) => {
      expect(await refusal('agent1a', (connection) => void connection.subscribe(subject))).toMatch(/permission/i);
    });

    it.each([mine.news, mine.beat, mine.join, `$JS.API.CONSUMER.INFO.${a.workStream}.${mine.consumer}`])(
      'may publish %s',
      async (subject) => {
        expect(await refusal('agent1a', (connection) => connection.publish(subject, '{}'))).toBeUndefined();
      },
    );

    it('reads its orders, and no other', async () => {
      await jetstream(admin).publish(mine.work, 'for one');
      await jetstream(admin).publish(other.work, 'for two');
      const connection = await connect({
        servers: broker.url,
        user: 'agent1a',
        pass: 'pw',
        inboxPrefix: inboxOfNode(ONE),
      });
      const js = jetstream(connection);
      const message = await (await js.consumers.get(a.workStream, mine.consumer)).next({ expires: 2000 });
      expect(message?.string()).toBe('for one');
      await expect(js.consumers.get(a.workStream, other.consumer)).rejects.toThrow();
      await connection.close();
    });

    it('for all runs speaks in each under its own name alone', async () => {
      for (const subject of [mine.news, b.of(ONE).beat])
        expect(await refusal('agent1', (connection) => connection.publish(subject, '{}'))).toBeUndefined();
      const forbidden = [other.news, mine.work, `$JS.API.STREAM.DELETE.${a.workStream}`, `$KV.PR_RUNS.${a.key}`];
      for (const subject of [...forbidden, `$O.${a.objects}.M.x`])
        expect(await refusal('agent1', (connection) => connection.publish(subject, '{}'))).toMatch(/permission/i);
      expect(await refusal('agent1', (connection) => void connection.subscribe('pr.>'))).toMatch(/permission/i);
    });

    it('of a run touches no other run', async () => {
      for (const subject of [b.of(ONE).work, `$JS.API.STREAM.DELETE.${b.workStream}`, `$KV.PR_RUNS.${b.key}`])
        expect(await refusal('run-a', (connection) => connection.publish(subject, '{}'))).toMatch(/permission/i);
      for (const subject of ['>', b.allNews, '_INBOX.>'])
        expect(await refusal('run-a', (connection) => void connection.subscribe(subject))).toMatch(/permission/i);
    });
  });
});
