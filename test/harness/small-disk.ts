/**
 * A disk that can be filled: a small file system in memory, mounted for one test. Mounting takes rights that a machine may not give.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type SmallDisk = {
  readonly path: string;
  /** Takes all the room that is left, but for so many bytes. */
  readonly fill: (butBytes?: number) => void;
  /** Gives the room back that `fill` took. */
  readonly makeRoom: () => void;
  /** Everything that uses it must have ended. */
  readonly remove: () => Promise<void>;
};

const chunk = Buffer.alloc(64 * 1024);

/** Resolves with the disk, or with why there can be none. */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk | { readonly missing: string }> {
  const path = await mkdtemp(join(tmpdir(), 'inkstream-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]);
  if (mounted.status !== 0) {
    await rm(path, { recursive: true });
    return { missing: 'small disks may not be mounted here' };
  }
  const ballast = join(path, 'ballast');
  const room = join(path, 'room');
  return {
    path,
    fill: (butBytes = 0) => {
      const kept = openSync(room, 'w');
      for (let written = 0; written < butBytes; written += chunk.length)
        writeSync(kept, chunk, 0, Math.min(chunk.length, butBytes - written));
      closeSync(kept);
      const file = openSync(ballast, 'a');
      try {
        for (;;) writeSync(file, chunk);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
        rmSync(room);
      }
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    remove: async () => {
      spawnSync('umount', ['-l', path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}
