/**
 * Settings: names, units, defaults and meanings in one table, read from the environment once, at the composition root.
 *
 * A setting that is misspelt and silently ignored is found at 3 a.m. So an unknown or malformed `INKSTREAM_` variable ends the start with one
 * clear line each (exit code 2), and the table that is read is the table that the README shows. The key of a setting in code is its name:
 * `frameBytesMax` is `INKSTREAM_FRAME_BYTES_MAX`.
 */

import { z } from 'zod';

export type Setting<T> = {
  readonly schema: z.ZodType<T, string>;
  readonly fallback: T;
  /** What the number counts, or the form of the text. */
  readonly unit: string;
  readonly about: string;
};

export type Settings = { readonly [key: string]: Setting<unknown> };

export type SettingValues<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

const prefix = 'INKSTREAM_';

/** `frameBytesMax` → `INKSTREAM_FRAME_BYTES_MAX` */
export const variableName = (key: string): string => prefix + key.replaceAll(/[A-Z]/gu, (letter) => `_${letter}`).toUpperCase();

const wholeNumber = (min: number, max: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,15}$/u, 'is not a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `is below ${min}`).max(max, `is above ${max}`));

/** A count, a size or a time: a whole number of `unit`, at least 1 unless `min` says otherwise. */
export const amount = (unit: string, fallback: number, about: string, min = 1, max = 2 ** 47): Setting<number> => ({
  schema: wholeNumber(min, max),
  fallback,
  unit,
  about,
});

/** A timer that is set for longer goes off at once (Node: `setTimeout`). */
const durationMsMax = 2 ** 31 - 1;

/** A time in ms, at least 1 unless `min` says otherwise, and no longer than a timer runs: 24 days. */
export const duration = (fallback: number, about: string, min = 1, max = durationMsMax): Setting<number> =>
  amount('ms', fallback, about, min, max);

/** Any text that is not empty. */
export const text = (unit: string, fallback: string, about: string): Setting<string> => ({
  schema: z.string().min(1, 'is empty'),
  fallback,
  unit,
  about,
});

/** One of a few words. */
export const choice = <const T extends string>(
  options: readonly [T, ...T[]],
  fallback: NoInfer<T>,
  about: string,
): Setting<T> => ({
  schema: z.string().pipe(z.enum(options, `is none of ${options.join(', ')}`)),
  fallback,
  unit: options.join(' or '),
  about,
});

/** Anything that `read` makes something of; undefined where it can't. `form` is a word for how it is written. */
export const parsed = <T>(
  form: string,
  read: (written: string) => T | undefined,
  fallback: NoInfer<T>,
  about: string,
): Setting<T> => ({
  schema: z.string().transform((written, context): T => {
    const value = read(written);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `is not what the README says it is` });
    return z.NEVER;
  }),
  fallback,
  unit: form,
  about,
});

/** Pairs of settings of which the first must not be more than the second: what is wrong with them, a line each. */
export function outOfOrder<Key extends string>(
  values: Readonly<Record<Key, number>>,
  pairs: readonly (readonly [less: Key, more: Key])[],
): readonly string[] {
  return pairs
    .filter(([less, more]) => values[less] > values[more])
    .map(([less, more]) => `${variableName(less)} (${values[less]}) is more than ${variableName(more)} (${values[more]})`);
}

/** Yes (`1`) or no (`0`). */
export const flag = (fallback: boolean, about: string): Setting<boolean> => ({
  schema: z
    .string()
    .pipe(z.enum(['0', '1'], 'is neither 0 nor 1'))
    .transform((value) => value === '1'),
  fallback,
  unit: '0 or 1',
  about,
});

/**
 * The values of `settings` in `environment`, or what is wrong with it, a line each.
 * Every variable that begins with `INKSTREAM_` has to be one of them.
 */
export function readSettings<S extends Settings>(
  settings: S,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly values: SettingValues<S> } | { readonly faults: readonly string[] } {
  const known = new Set(Object.keys(settings).map(variableName));
  const faults = Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => `${name} is not a setting of Inkstream; the README lists all of them`);
  const values = Object.entries(settings).map(([key, setting]): readonly [string, unknown] => {
    const name = variableName(key);
    const given = environment[name];
    if (given === undefined) return [key, setting.fallback];
    const parsed = setting.schema.safeParse(given);
    if (parsed.success) return [key, parsed.data];
    faults.push(
      `${name}=${JSON.stringify(given)} ${parsed.error.issues[0]?.message ?? 'is malformed'} (wanted: ${setting.unit})`,
    );
    return [key, setting.fallback];
  });
  // The entries were made from the keys of S, each with the type of its schema.
  return faults.length > 0 ? { faults } : { values: Object.fromEntries(values) as SettingValues<S> };
}
