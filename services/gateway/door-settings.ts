/** The settings of whoever lets people in, a gateway or standalone with one in it: where it listens, whom it lets in, and how it sends them away. */

import { amount, choice, duration, flag, type SettingValues, text, variableName } from '#shared/runtime/config.ts';
import { processSettings, urlOf } from '#shared/runtime/process-settings.ts';
import { processStopMsMax } from '#shared/runtime/shutdown.ts';

export const doorSettings = {
  ...processSettings,
  authMode: choice(['none'], 'none', 'who is let in; `none` is everyone who reaches the port'),
  allowAnyone: flag(false, 'has to be 1 where everyone is let in and the address is not loopback'),
  tlsCertFile: text('file', '', 'certificate chain, PEM; with it and the key the server speaks TLS'),
  tlsKeyFile: text('file', '', 'private key of the certificate, PEM'),
  storeLagRecordsMax: amount(
    'records',
    2_000_000,
    'records that the store may be behind; past it writers are closed until it catches up (1013)',
  ),
  drainSpreadMs: duration(3_000, 'how long a stopping server takes to send its clients away', 1, 5_000),
};

/** How long a stopping process waits for its last edits to be saved, besides sending its clients away, in ms. */
export const appendMs = 3_000;

const loopback = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/u;

/** What is wrong with the settings of the door together, a line each. `otherMs`: what stopping takes besides, by the setting of that name. */
export function checkDoor(
  config: SettingValues<typeof doorSettings>,
  other?: { readonly key: string; readonly ms: number },
): readonly string[] {
  const faults: string[] = [];
  if (config.authMode === 'none' && !loopback.test(config.host) && !config.allowAnyone) {
    faults.push(
      `${variableName('host')}=${config.host} lets everyone who reaches it read and write every document; set ${variableName('allowAnyone')}=1 if that is meant`,
    );
  }
  if ((config.tlsCertFile === '') !== (config.tlsKeyFile === '')) {
    faults.push(`${variableName('tlsCertFile')} and ${variableName('tlsKeyFile')} go together; one of them is missing`);
  }
  const stopMs = config.drainSpreadMs + appendMs + (other?.ms ?? 0);
  if (stopMs >= processStopMsMax) {
    const others = other === undefined ? '' : ` and ${variableName(other.key)} (${other.ms})`;
    faults.push(
      `${variableName('drainSpreadMs')} (${config.drainSpreadMs}), ${appendMs} ms for saving${others} are ${stopMs} ms together: a process that stops has less than ${processStopMsMax}`,
    );
  }
  return faults;
}

type DoorConfig = SettingValues<typeof doorSettings>;

/** What a gateway is told of its door. */
export const doorOf = ({ host, port, tlsCertFile, tlsKeyFile, authMode, allowAnyone }: DoorConfig) => ({
  host,
  port,
  tls: tlsCertFile === '' ? undefined : { certFile: tlsCertFile, keyFile: tlsKeyFile },
  refusesForeignPages: authMode === 'none' && !allowAnyone,
});

/** Where people find it; `port` as it turned out. */
export const urlOfDoor = ({ host, tlsCertFile }: DoorConfig, port: number): string =>
  urlOf(tlsCertFile === '' ? 'http' : 'https', host, port);
