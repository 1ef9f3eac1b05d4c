/** Parts of a run put on disks of their own: small ones to be filled up, one that breaks. Linux, root only. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Why a test that mounts has to be skipped; undefined where it can run: tried, not guessed. */
export const WHY_NO_MOUNT = whyNoMount();

function whyNoMount(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  const folder = mkdtempSync(join(tmpdir(), 'mount-probe-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return undefined;
  } catch {
    return 'mount is not allowed here';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const CHUNK = Buffer.alloc(64 * 1024);
/** More files than a small disk has room for. */
const FILES_MAX = 100_000;

/** Lies over paths of a run: what was there before is on the disk too. */
export class SmallDisk {
  readonly #folder: string;
  readonly #mounts: string[];

  /** @param paths folders, or files that are never renamed or removed; all on this one disk */
  constructor(paths: readonly string[], sizeKiB: number) {
    this.#folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
    mount(['-t', 'tmpfs', '-o', `size=${sizeKiB}k,nr_inodes=2000`, 'none', this.#folder]);
    this.#mounts = [this.#folder];
    for (const [i, path] of paths.entries()) {
      const there = join(this.#folder, `${i}-${basename(path)}`);
      if (statSync(path).isDirectory()) mkdirSync(there, { mode: statSync(path).mode });
      cpSync(path, there, { recursive: true, preserveTimestamps: true });
      mount(['--bind', there, path]);
      this.#mounts.push(path);
    }
  }

  /** Takes every byte and every file that is left. */
  fill(): void {
    mkdirSync(this.#filler, { recursive: true });
    // what others free meanwhile is taken too: until nothing of a second round fits
    while (this.#take() > 0);
  }

  free(): void {
    rmSync(this.#filler, { recursive: true, force: true });
  }

  grow(sizeKiB: number): void {
    mount(['-o', `remount,size=${sizeKiB}k`, this.#folder]);
  }

  dispose(): void {
    for (const path of this.#mounts.splice(0).reverse()) execFileSync('umount', ['-l', path]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.#folder, 'filler');
  }

  /** @returns how many bytes and files could be taken */
  #take(): number {
    let taken = 0;
    for (let i = 0; i < FILES_MAX; i++) {
      try {
        writeFileSync(join(this.#filler, `${i}`), '', { flag: 'wx' });
        taken += 1;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') break;
      }
    }
    const file = openSync(join(this.#filler, '0'), 'a');
    try {
      for (;;) taken += writeSync(file, CHUNK);
    } catch {
      return taken;
    } finally {
      closeSync(file);
    }
  }
}

function mount(args: readonly string[]): void {
  execFileSync('mount', args, { stdio: 'pipe' });
}

const BREAKING_BYTES = 32 * 1024 * 1024;

/** An ext4 file system on a loop device that turns read-only at the first error, as a failing disk makes it. */
export class BreakingDisk {
  readonly #image: string;
  readonly #path: string;
  #device: string | undefined;

  /** @param path an existing folder; what is in it goes along */
  constructor(path: string) {
    this.#path = path;
    this.#image = join(mkdtempSync(join(tmpdir(), 'breaking-disk-')), 'image');
    writeFileSync(this.#image, '');
    truncateSync(this.#image, BREAKING_BYTES);
    const former = join(dirname(this.#image), 'former');
    try {
      execFileSync('mkfs.ext4', ['-q', '-F', this.#image], { stdio: 'pipe' });
      cpSync(path, former, { recursive: true, preserveTimestamps: true });
      this.mend();
      cpSync(former, path, { recursive: true, preserveTimestamps: true });
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** From now on every write fails with EROFS. */
  break(): void {
    writeFileSync(`/sys/fs/ext4/${basename(this.#device ?? '')}/trigger_fs_error`, 'test');
  }

  /** Mounted anew, as after a repair. */
  mend(): void {
    this.#release();
    this.#device = execFileSync('losetup', ['--find', '--show', this.#image], { encoding: 'utf8' }).trim();
    mount(['-o', 'errors=remount-ro', this.#device, this.#path]);
  }

  /** @throws while a process uses it */
  dispose(): void {
    this.#release();
    rmSync(dirname(this.#image), { recursive: true, force: true });
  }

  #release(): void {
    if (this.#device === undefined) return;
    execFileSync('umount', [this.#path]);
    execFileSync('losetup', ['--detach', this.#device]);
    this.#device = undefined;
  }
}

/** Why a disk can't be broken here; undefined where it can: tried, not guessed. */
export const WHY_NO_BREAKING_DISK = WHY_NO_MOUNT ?? whyNoBreakingDisk();

function whyNoBreakingDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'breaking-probe-'));
  let disk: BreakingDisk | undefined;
  try {
    disk = new BreakingDisk(folder);
    disk.break();
    writeFileSync(join(folder, 'file'), '');
    return 'a file system can not be made to fail here';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS' ? undefined : 'needs loop devices and mkfs.ext4';
  } finally {
    disk?.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}
