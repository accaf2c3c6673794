/**
 * How a process begins and fails to: what every `main.ts` does around its own work.
 *
 * Exit codes: 0 drained, or told to stop before it was ready; 1 could not start or go on, or something stayed with the clients; 2 the settings are wrong. Whoever started it reads one
 * line that says what to do, the last one on stderr, and a supervisor knows by the code whether trying again can help.
 */

import { endOnSignal, onUncaught } from './shutdown.ts';
import { createLogger, type Logger, type logLevels } from './telemetry.ts';
import { reasonOf } from './reason.ts';

/** Thrown where settings turn out to be wrong only once something else is known; a line each. */
export class FaultySettings extends Error {
  override readonly name = 'FaultySettings';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('; '));
    this.faults = faults;
  }
}

type ReadConfig<Config> = { readonly config: Config } | { readonly faults: readonly string[] };

/** A pending timer of a `Clock` keeps no process alive, and a start that waits for its turn may have nothing else. */
const keepAliveMs = 60_000;

/**
 * Runs a program with the configuration that was read. `run` resolves when the program serves; from then on it lives by what it listens to. Where
 * it rejects the process ends. One that is told to stop while it starts ends with `interruptedCode`: a service has done all that it should then, a command
 * has not.
 */
export async function runProgram<Config extends { readonly logLevel: (typeof logLevels)[number] }>(
  service: string,
  read: ReadConfig<Config>,
  run: (config: Config, logger: Logger) => Promise<void>,
  interruptedCode = 0,
): Promise<void> {
  if ('faults' in read) {
    createLogger(service, 'info').fatal({ faults: read.faults }, read.faults.join('; '));
    process.exitCode = 2;
    return;
  }
  const logger = createLogger(service, read.config.logLevel);
  onUncaught(logger);
  endOnSignal(logger, interruptedCode);
  const keepAlive = setInterval(() => {}, keepAliveMs);
  try {
    await run(read.config, logger);
  } catch (error) {
    const message = reasonOf(error);
    if (error instanceof FaultySettings) logger.fatal({ faults: error.faults }, message);
    else logger.fatal({ error: error instanceof Error ? error.stack : message }, message);
    process.exit(error instanceof FaultySettings ? 2 : 1);
  } finally {
    clearInterval(keepAlive);
  }
}

/** Tells whoever started the process that it can serve, and where. The only line that goes to stdout. */
export function sayReady(service: string, url: string): void {
  process.stdout.write(`ready ${JSON.stringify({ service, url })}\n`);
}
