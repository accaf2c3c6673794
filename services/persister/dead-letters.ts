/**
 * The command that lists dead letters and puts them back into the journal.
 *
 *     node services/persister/dead-letters.ts list   [--partition <n>] [--offset <n>] [--document <name>] [--bytes]
 *     node services/persister/dead-letters.ts replay [--partition <n>] [--offset <n>] [--document <name>] | --all
 *
 * It takes the settings of a persister, and writes a line of JSON for each letter to stdout. Exit codes: 0 done; 1 Kafka is away, or a letter could not
 * be put back; 2 it was called wrongly.
 */

import { parseArgs } from 'node:util';
import { checkKafkaSettings, connectionOf } from '#shared/journal/kafka-settings.ts';
import { openKafka } from '#shared/journal/kafka.ts';
import { systemClock } from '#shared/runtime/clock.ts';
import { readSettings } from '#shared/runtime/config.ts';
import { runProgram } from '#shared/runtime/program.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';

import { type PersisterConfig, persisterServiceSettings } from './config.ts';
import { readLetters, replayLetters, type Selection } from './replay.ts';

const usage =
  'usage: dead-letters.ts list|replay [--partition <n>] [--offset <n>] [--document <name>]; list takes --bytes, and replay at least one of these, or --all';

type Command = { readonly name: 'list' | 'replay'; readonly selection: Selection; readonly withBytes: boolean };

const wholeNumber = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : /^\d{1,15}$/u.test(text) ? Number(text) : NaN;

/** What was asked for, or what is wrong with it. */
function readCommand(words: readonly string[]): Command | { readonly faults: readonly string[] } {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const options = { partition: text, offset: text, document: text, all: yes, bytes: yes };
  try {
    const { positionals, values } = parseArgs({ args: [...words], options, allowPositionals: true });
    const [name] = positionals;
    const partition = wholeNumber(values.partition);
    const offset = wholeNumber(values.offset);
    if (positionals.length !== 1 || (name !== 'list' && name !== 'replay')) return { faults: [usage] };
    if (Number.isNaN(partition) || Number.isNaN(offset))
      return { faults: ['--partition and --offset take whole numbers', usage] };
    const selection: Selection = {
      ...(partition === undefined ? {} : { partition }),
      ...(offset === undefined ? {} : { offset }),
      ...(values.document === undefined ? {} : { document: values.document }),
    };
    const isChosen = Object.keys(selection).length > 0;
    if (name === 'replay' && isChosen === (values.all === true)) return { faults: ['say which letters, or --all', usage] };
    return { name, selection, withBytes: values.bytes === true };
  } catch (error) {
    return { faults: [reasonOf(error), usage] };
  }
}

type Call = { readonly config: PersisterConfig & { readonly command: Command } } | { readonly faults: readonly string[] };

function readCall(words: readonly string[], environment: Readonly<Record<string, string | undefined>>): Call {
  const command = readCommand(words);
  if ('faults' in command) return command;
  const read = readSettings(persisterServiceSettings, environment);
  if ('faults' in read) return read;
  const faults = checkKafkaSettings(read.values);
  return faults.length > 0 ? { faults } : { config: { ...read.values, command } };
}

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const timeOf = (ms: number): string => new Date(ms).toISOString();

async function run(config: PersisterConfig & { readonly command: Command }, logger: Logger): Promise<void> {
  const { name, selection, withBytes } = config.command;
  const kafka = await openKafka(connectionOf(config, 'inkstream-dead-letters'), { clock: systemClock, logger });
  try {
    if (name === 'list') {
      let count = 0;
      await readLetters(kafka.deadLetters, selection, (read) => {
        count++;
        if (read.kind !== 'decoded') return say(read);
        const { bytes, time, ...letter } = read.value;
        const content = withBytes ? { base64: Buffer.from(bytes).toString('base64') } : {};
        return say({ ...letter, time: timeOf(time), bytes: bytes.byteLength, ...content });
      });
      if (count === 0) logger.info({}, 'there are no such dead letters');
      return;
    }
    const parts = { topic: kafka.deadLetters, journal: kafka.journal, now: systemClock.now };
    for (const { letter, outcome } of await replayLetters(parts, selection)) {
      say({ partition: letter.partition, offset: letter.offset, document: letter.document, outcome });
      if (outcome.kind === 'refused') process.exitCode = 1;
    }
  } finally {
    await kafka.close();
  }
}

await runProgram('dead-letters', readCall(process.argv.slice(2), process.env), run, 1);
