/**
 * The end of a process: SIGTERM and SIGINT drain, a second one ends at once, and what nobody caught ends it with a diagnostic.
 */

import type { Logger } from '#shared/runtime/telemetry.ts';

/** A process that was told to stop has this long (design: exit within 10 s). */
export const processStopMsMax = 9_500;

/** Runs `stop` once, at the first SIGTERM or SIGINT, and exits with the code that it returns; 1 where it fails or takes too long. */
export function onStop(logger: Logger, stop: () => Promise<number>): void {
  let isStopping = false;
  const handle = (signal: NodeJS.Signals): void => {
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
  };
  process.on('SIGTERM', handle);
  process.on('SIGINT', handle);
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
