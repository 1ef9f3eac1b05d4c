import type { CommandInput } from '../command.ts';
import { isOn } from '../command.ts';
import { locateRun } from '../find-run.ts';
import { accountLines, verificationLines } from '../render/verify.ts';

/** What became of every input item. Exit code 0 where everything fits together, 1 where not. */
export async function execute({ deps, console, args, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const { root, runId } = await locateRun(deps, parsed, args[0] ?? '');
  const { accounts, differences, ...found } = await sdk.verify(root, runId);
  if (isOn(parsed, 'each')) {
    for (const account of accounts()) {
      await console.emit({ type: 'mini-batch', ...account });
      if (!console.json)
        await console.human.write(
          accountLines(account)
            .map((line) => `${line}\n`)
            .join(''),
        );
    }
  }
  await console.problems(differences);
  await console.emit({ type: 'verification', ...found, differences });
  if (!console.json) console.say(verificationLines({ ...found, differences }));
  return found.ok ? 0 : 1;
}
