/** The engine of one machine: an agent in this very process; no server, no port. */
import type { Engine } from '../../domain/ports.ts';
import { NodeAgent } from '../../node/agent.ts';
import type { NodeOptions } from '../../node/options.ts';

export function createEmbeddedEngine(options: NodeOptions): Engine {
  const agent = new NodeAgent(options);
  return {
    start: (listener) => agent.start(listener),
    dispatch: (assignments) => agent.dispatch(assignments),
    stop: (how) => agent.stop(how),
  };
}
