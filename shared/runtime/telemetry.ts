/**
 * Diagnostics: JSON lines on stderr, by pino. stdout carries the ready line and nothing else.
 */

import { pino } from 'pino';

/** What the parts of the system say things to. Fields first, then a sentence without variable parts, so that it can be searched for. */
export type Logger = {
  readonly [Level in 'debug' | 'info' | 'warn' | 'error' | 'fatal']: (
    fields: Readonly<Record<string, unknown>>,
    sentence: string,
  ) => void;
};

export const logLevels = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Written synchronously: the line that explains a crash must not die with it. */
export const createLogger = (service: string, level: (typeof logLevels)[number]): Logger =>
  pino({ base: { service }, level, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
