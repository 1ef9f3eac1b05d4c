/** Copies that are on the disk before anybody can find them. */
import { copyFile, mkdir, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file, or a folder with all below it. Links are followed: a model must not change with what they lead to. */
export async function copyDurably(from: string, to: string): Promise<void> {
  if (!(await stat(from)).isDirectory()) {
    await copyFile(from, to);
    return sync(to);
  }
  await mkdir(to);
  for (const name of await readdir(from)) await copyDurably(join(from, name), join(to, name));
  return sync(to);
}

export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
