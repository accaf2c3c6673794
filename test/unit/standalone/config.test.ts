/** The settings of standalone in the environment, and what is said of those that are wrong. */

import { expect, test } from 'vitest';
import { readConfig } from '../../../services/standalone/config.ts';

test.each([
  ['an unknown setting', { FRAME_BYTES_MAXIMUM: '1' }, ['INKSTREAM_FRAME_BYTES_MAXIMUM']],
  ['a number that is none', { PORT: 'http' }, ['INKSTREAM_PORT', 'http']],
  ['a number out of its range', { PORT: '65536' }, ['INKSTREAM_PORT', '65536']],
  ['a time that is longer than a timer runs', { UNSAVED_MS_MAX: '3000000000' }, ['INKSTREAM_UNSAVED_MS_MAX', '3000000000']],
  ['a choice that there is not', { AUTH_MODE: 'maybe' }, ['INKSTREAM_AUTH_MODE', 'maybe']],
  ['an empty value', { DATA_DIR: '' }, ['INKSTREAM_DATA_DIR']],
  ['limits of the gateway that contradict each other', { FRAME_BYTES_MAX: '50000000' }, ['OPENING_BYTES_MAX', 'FRAME_BYTES_MAX']],
  ['limits of the persister that contradict each other', { RETRY_MS_MIN: '20000' }, ['RETRY_MS_MIN', 'RETRY_MS_MAX']],
  [
    'times of stopping that are too long together',
    { STOP_MS_MAX: '4000' },
    ['INKSTREAM_DRAIN_SPREAD_MS', 'INKSTREAM_STOP_MS_MAX'],
  ],
  ['everyone let in from everywhere', { HOST: '0.0.0.0' }, ['INKSTREAM_HOST', 'INKSTREAM_ALLOW_ANYONE']],
  ['half of TLS', { TLS_CERT_FILE: 'cert.pem' }, ['INKSTREAM_TLS_KEY_FILE']],
] as const)('SA6: %s is one fault, which names it', (_, settings, named) => {
  const given = Object.entries(settings).map(([name, value]) => [`INKSTREAM_${name}`, value] as const);
  const read = readConfig(Object.fromEntries(given));
  const faults = 'faults' in read ? read.faults : [];
  expect(faults).toHaveLength(1);
  for (const name of named) expect(faults[0]).toContain(name);
});
