/**
 * The settings of standalone: its own, and the limits of the gateway and the persister in it.
 */

import { checkGatewayLimits, gatewayLimitSettings } from '#gateway/limits.ts';
import { limitProblems, persisterSettings } from '#persister/limits.ts';
import { amount, choice, duration, flag, readSettings, type SettingValues, text, variableName } from '#shared/runtime/config.ts';
import { processStopMsMax } from '#shared/runtime/shutdown.ts';
import { logLevels } from '#shared/runtime/telemetry.ts';

const processSettings = {
  host: text('address', '127.0.0.1', 'the address to listen on'),
  port: amount('port', 8080, 'the port to listen on; 0 is any free one', 0, 65_535),
  dataDir: text(
    'directory',
    '.local/data',
    'where documents are kept; made where it is missing, and used by one process at a time',
  ),
  authMode: choice(['none'], 'none', 'who is let in; `none` is everyone who reaches the port'),
  allowAnyone: flag(false, 'has to be 1 where everyone is let in and the address is not loopback'),
  tlsCertFile: text('file', '', 'certificate chain, PEM; with it and the key the server speaks TLS'),
  tlsKeyFile: text('file', '', 'private key of the certificate, PEM'),
  logLevel: choice(logLevels, 'info', 'the least important diagnostics that are written'),
  storeLagRecordsMax: amount(
    'records',
    2_000_000,
    'records that the store may be behind; past it writers are closed until it catches up (1013)',
  ),
  commitIntervalMs: duration(
    25,
    'shortest time between two commits to disk under load; a lone edit is committed at once, a busy server tells "saved" a little later',
    0,
    1_000,
  ),
  drainSpreadMs: duration(3_000, 'how long a stopping server takes to send its clients away', 1, 5_000),
};

/** How long a stopping process waits for its last edits to be saved, besides sending its clients away and stopping the persister, in ms. */
export const appendMs = 3_000;

export const standaloneSettings = { ...processSettings, ...gatewayLimitSettings, ...persisterSettings };

export type StandaloneConfig = SettingValues<typeof standaloneSettings>;

const loopback = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/u;

function checkTogether(config: StandaloneConfig): readonly string[] {
  const faults = [...checkGatewayLimits(config), ...limitProblems(config)];
  if (config.authMode === 'none' && !loopback.test(config.host) && !config.allowAnyone) {
    faults.push(
      `${variableName('host')}=${config.host} lets everyone who reaches it read and write every document; set ${variableName('allowAnyone')}=1 if that is meant`,
    );
  }
  if ((config.tlsCertFile === '') !== (config.tlsKeyFile === '')) {
    faults.push(`${variableName('tlsCertFile')} and ${variableName('tlsKeyFile')} go together; one of them is missing`);
  }
  const stopMs = config.drainSpreadMs + appendMs + config.stopMsMax;
  if (stopMs >= processStopMsMax) {
    faults.push(
      `${variableName('drainSpreadMs')} (${config.drainSpreadMs}), ${appendMs} ms for saving and ${variableName('stopMsMax')} (${config.stopMsMax}) are ${stopMs} ms together: a process that stops has less than ${processStopMsMax}`,
    );
  }
  return faults;
}

/** The configuration in `environment`, or what is wrong with it. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly config: StandaloneConfig } | { readonly faults: readonly string[] } {
  const read = readSettings(standaloneSettings, environment);
  if ('faults' in read) return read;
  const faults = checkTogether(read.values);
  return faults.length > 0 ? { faults } : { config: read.values };
}
