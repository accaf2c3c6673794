/**
 * The end of a process: SIGTERM and SIGINT drain, a second one ends at once, and what nobody caught ends it with a diagnostic.
 *
 * A process that starts may wait a minute for what it stands on, and has nothing to drain yet. Without a handler it would be ended by the system, but not
 * in a container: the first process there is not sent what it does not handle. So there is one from the beginning.
 */

import type { Logger } from '#shared/runtime/telemetry.ts';

/** A process that was told to stop has this long (design: exit within 10 s). */
export const processStopMsMax = 9_500;

const signals = ['SIGTERM', 'SIGINT'] as const;

/** What both signals do now. */
let handled: NodeJS.SignalsListener = () => {};

function handleSignals(handle: NodeJS.SignalsListener): void {
  for (const signal of signals) {
    process.off(signal, handled);
    process.on(signal, handle);
  }
  handled = handle;
}

/** Ends the process with `code` at SIGTERM or SIGINT, until `onStop` takes over: nothing was promised yet. */
export function endOnSignal(logger: Logger, code: number): void {
  handleSignals((signal) => {
    logger.info({ signal }, 'told to stop before it was ready: ending at once');
    process.exit(code);
  });
}

/** Runs `stop` once, at the first SIGTERM or SIGINT, and exits with the code that it returns; 1 where it fails or takes too long. */
export function onStop(logger: Logger, stop: () => Promise<number>): void {
  let isStopping = false;
  handleSignals((signal) => {
    if (isStopping) {
      logger.warn({ signal }, 'told to stop a second time: ending at once');
      process.exit(1);
    }
    isStopping = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => {
      logger.error({ processStopMsMax }, 'stopping took too long: ending now');
      process.exit(1);
    }, processStopMsMax).unref();
    stop().then(
      (code) => process.exit(code),
      (error: unknown) => {
        logger.error({ error: String(error) }, 'stopping failed');
        process.exit(1);
      },
    );
  });
}

/** Says what nobody caught, and ends: a process in an unknown state must not go on acknowledging. */
export function onUncaught(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ error: error.stack }, 'an exception that nobody caught');
    process.exit(1);
  });
  process.removeAllListeners('warning');
  process.on('warning', (warning) => logger.debug({ warning: warning.message }, 'a warning of the runtime'));
}
