import { Rig } from './rig.ts';
import type { RigSettings } from './rig.ts';

/** Gives the test a rig and ends it, whatever the test does. */
export async function withRig(settings: RigSettings, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig(settings);
  try {
    await body(rig);
  } finally {
    await rig.dispose();
  }
}
