/** A file system of its own on a loop device, whose power can be cut. Linux, root only. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './lib.mjs';

const CUT = join(root, 'scripts/power-cut.py');
const SIZE_BYTES = { ext4: 64 * 1024 ** 2, xfs: 320 * 1024 ** 2 };
const MAKE = { ext4: ['mkfs.ext4', '-q', '-F'], xfs: ['mkfs.xfs', '-q', '-f'] };
/** Longest time until the last process has let go of a mounted folder, ms. */
const RELEASE_MS = 10_000;

export class Disk {
  /** @param image file that the file system lies in; @param mount folder, made where it is not there */
  constructor(type, image, mount) {
    this.type = type;
    this.image = image;
    this.mount = mount;
    this.isMounted = false;
    this.device = undefined;
  }

  /** Empty. */
  async make(options = '') {
    await this.unmount();
    rmSync(this.image, { force: true });
    writeFileSync(this.image, '');
    truncateSync(this.image, SIZE_BYTES[this.type]);
    const [program, ...args] = MAKE[this.type];
    command(program, [...args, this.image]);
    mkdirSync(this.mount, { recursive: true });
    this.attach(options);
  }

  /** On a device of its own: another name space may still hold the one whose power was cut, and that one stays dead. */
  attach(options = '') {
    this.device = command('losetup', ['--find', '--show', this.image]).trim();
    const all = [options, this.type === 'xfs' ? 'nouuid' : ''].filter((text) => text !== '').join(',');
    command('mount', [...(all === '' ? [] : ['-o', all]), this.device, this.mount]);
    this.isMounted = true;
  }

  /** Ready to cut at a moment's notice: `cut()` then takes well under a millisecond where nothing is written out. */
  async arm() {
    const child = spawn('python3', [CUT, this.mount], { stdio: ['pipe', 'pipe', 'inherit'] });
    const said = lines(child.stdout);
    if ((await said.next()).value !== 'ready') throw new Error('the power can not be cut');
    return {
      cut: async (seed, share) => {
        child.stdin.end(`${seed} ${share}\n`);
        const { value } = await said.next();
        if (value === undefined) throw new Error('the power was not cut');
        return Number(value);
      },
      disarm: () => child.kill(),
    };
  }

  /** After a cut, and when no process uses it any more: off and on again, which plays back the journal. */
  async powerUp(options = '') {
    await this.unmount();
    this.attach(options);
  }

  async unmount() {
    if (this.isMounted) await this.release();
    if (this.device !== undefined) spawnSync('losetup', ['--detach', this.device]);
    this.device = undefined;
  }

  async release() {
    const until = performance.now() + RELEASE_MS;
    for (;;) {
      const { status, stderr } = spawnSync('umount', [this.mount], { encoding: 'utf8' });
      if (status === 0) break;
      if (performance.now() > until) throw new Error(stderr.trim());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.isMounted = false;
  }
}

async function* lines(stream) {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
      yield text.slice(0, at);
      text = text.slice(at + 1);
    }
  }
}

function command(program, args) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/** Sizes in bytes by path, of all files below a folder; folders end in `/`. What vanishes meanwhile is left out. */
export function sizesBelow(folder, sizes = new Map()) {
  let entries = [];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sizesBelow(path, sizes.set(`${path}/`, 0));
    else if (entry.isFile()) sizes.set(path, statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  }
  return sizes;
}

/** @returns why the power of such a file system can't be cut here; undefined where it can: tried, not guessed */
export async function whyNoPowerCut(type) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  const folder = mkdtempSync(join(tmpdir(), 'power-probe-'));
  const disk = new Disk(type, join(folder, 'image'), join(folder, 'mount'));
  try {
    await disk.make();
    const power = await disk.arm();
    writeFileSync(join(disk.mount, 'unsynced'), 'x');
    await power.cut(1, 0);
    await disk.powerUp();
    return sizesBelow(disk.mount).has(join(disk.mount, 'unsynced')) ? 'what was not synced survives a cut' : undefined;
  } catch (error) {
    return error.message;
  } finally {
    await disk.unmount();
    rmSync(folder, { recursive: true, force: true });
  }
}
