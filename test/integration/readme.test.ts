/** The README is the first code that a newcomer runs. */

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '#test/harness/server.ts';

test('SA51: the snippet in the README works as pasted, and says "saved"', async () => {
  const server = await startServer();
  onTestFinished(() => server.kill());
  const snippet = /```js\n(.*?)```/su.exec(readFileSync('README.md', 'utf8'))?.[1] ?? '';
  expect(snippet).toContain('ws://127.0.0.1:8080/ws');

  // Inside the checkout, so that its imports are found.
  mkdirSync('.local', { recursive: true });
  const directory = mkdtempSync(join('.local', 'readme-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'snippet.mjs');
  writeFileSync(file, snippet.replace('ws://127.0.0.1:8080/ws', server.wsUrl));

  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (line === 'saved') break;
  }
  expect(said).toContain('saved');
});
