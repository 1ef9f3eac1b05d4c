import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeFrames } from '../../src/domain/frame.ts';
import { packFolder, unpackFolder } from '../../src/environment/pack.ts';

describe('a folder as one piece', () => {
  let here: string;
  beforeEach(() => {
    here = mkdtempSync(join(tmpdir(), 'pack-'));
    mkdirSync(join(here, 'code/pkg/empty'), { recursive: true });
    writeFileSync(join(here, 'code/a.py'), 'a');
    writeFileSync(join(here, 'code/pkg/wörd b.py'), Buffer.from([0, 255, 10]));
    writeFileSync(join(here, 'code/run.sh'), '#!/bin/sh\n');
    chmodSync(join(here, 'code/run.sh'), 0o755);
    writeFileSync(join(here, 'far.bin'), 'far');
  });
  afterEach(() => rmSync(here, { recursive: true, force: true }));

  it('is laid out as it was; links out of it become what they lead to', async () => {
    symlinkSync('a.py', join(here, 'code/inner'));
    symlinkSync(join(here, 'code/a.py'), join(here, 'code/pkg/absolute'));
    symlinkSync(join(here, 'far.bin'), join(here, 'code/outer'));
    symlinkSync('/nowhere/at/all', join(here, 'code/broken'));
    await unpackFolder(await packFolder(join(here, 'code')), join(here, 'copy'));
    expect(readFileSync(join(here, 'copy/a.py'), 'utf8')).toBe('a');
    expect([...readFileSync(join(here, 'copy/pkg/wörd b.py'))]).toEqual([0, 255, 10]);
    expect(statSync(join(here, 'copy/run.sh')).mode & 0o777).toBe(0o755);
    expect(statSync(join(here, 'copy/pkg/empty')).isDirectory()).toBe(true);
    expect(readlinkSync(join(here, 'copy/inner'))).toBe('a.py');
    expect(readFileSync(join(here, 'copy/outer'), 'utf8')).toBe('far');
    rmSync(join(here, 'code'), { recursive: true });
    expect(readFileSync(join(here, 'copy/pkg/absolute'), 'utf8')).toBe('a');
  });

  it('has an end where a link leads to a folder above itself', async () => {
    symlinkSync(here, join(here, 'code/up'));
    const bytes = await packFolder(join(here, 'code'));
    expect(bytes.length).toBeLessThan(100_000);
  });

  it('writes nowhere else, whatever it says', async () => {
    const evil = gzipSync(
      encodeFrames([{ header: { m: 'file', path: '../evil', mode: 0o644 }, body: Uint8Array.of(1) }]),
    );
    await expect(unpackFolder(evil, join(here, 'copy'))).rejects.toThrow('bad path');
  });
});
