/** The first message to a worker. Pure. */
import type { NodeAddress } from '../domain/ids.ts';
import { PROTOCOL_VERSION } from '../domain/protocol.ts';
import type { AgentHello } from '../domain/protocol.ts';
import type { WorkerOptions } from './options.ts';

export type DebugRequest = NonNullable<AgentHello['debug']>;

export function workFolder(options: WorkerOptions, process: string): string {
  return `${options.layout.work}/${process}`;
}

export function agentHello(
  options: WorkerOptions,
  address: NodeAddress,
  process: string,
  extras: { readonly debug?: DebugRequest | undefined; readonly markFile?: string | undefined },
): AgentHello {
  const { output, profilingModule } = options;
  const { debug, markFile } = extras;
  return {
    m: 'hello',
    protocol: PROTOCOL_VERSION,
    runId: options.runId,
    process,
    address,
    codeFolder: options.entry.codeFolder,
    script: options.entry.script,
    moduleName: options.entry.moduleName,
    argv: options.scriptArguments,
    runFolder: options.layout.folder,
    workFolder: workFolder(options, process),
    output: output.action === 'append_row' ? { action: 'append_row', format: output.format } : output,
    partFolder: options.layout.parts,
    tables: options.tables,
    ...(options.handOver && { handOver: options.handOver }),
    ...(options.inFlight === true && { inFlight: true as const }),
    loggingLevel: options.loggingLevel,
    ...(markFile !== undefined && { markFile }),
    ...(debug && { debug }),
    ...(profilingModule && { profiling: { module: profilingModule, file: profileFile(options, address, process) } }),
  };
}

/** One profile per worker, where people look for the run's other files. */
function profileFile(options: WorkerOptions, address: NodeAddress, process: string): string {
  return `${options.layout.logs}/profile/${address}/${process}.prof`;
}
