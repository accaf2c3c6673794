/** A directory of its own for a test, under the system's temporary one. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function temporaryDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'inkstream-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
