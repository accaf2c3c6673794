/**
 * A broker that talks to nobody whom it does not know: TLS on both sides, and a name with a password on top.
 *
 * Certificates are made for each broker by `openssl`, names by Kafka's own command, past everything that the product is made of. A local process also where
 * Docker is at hand: the command for names is in the same jars.
 */

import { execFile } from 'node:child_process';
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '#deploy/native/free-port.ts';
import { startBroker } from '#deploy/native/kafka.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { type Had, ownLocalEngine } from '#test/harness/own-engine.ts';

const run = promisify(execFile);
const host = '127.0.0.1';
const commandMsMax = 60_000;

export const securedMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

export type SecuredKafka = {
  /** Where TLS, a certificate and a name are asked for. */
  readonly address: string;
  /** The same broker for whoever is inside: neither. */
  readonly openAddress: string;
  /** PEM files: the authority that vouches for the broker, and a certificate with its key that the broker knows. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly username: string;
  readonly password: string;
  /** Kills it, and removes its data and the files. */
  readonly remove: () => Promise<void>;
};

/** Starts one. What can't be had here is a value. @throws Error where it does not start */
export async function startSecuredKafka(): Promise<Had<SecuredKafka>> {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') return { kind: 'missing', reason: `no Kafka: ${libraries.reason}` };
  if (!(await canMakeCertificates())) return { kind: 'missing', reason: 'no openssl on the PATH, to make certificates with' };
  const folder = await mkdtemp(join(tmpdir(), 'inkstream-secured-'));
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const [username, password] = ['inkstream', 'a password, with =signs= and "quotes"'];
    const files = await makeCertificates(folder);
    const [open, secured] = [await freePort(), await freePort()];
    const settings = await securitySettings(files, username, password);
    const engine = await ownLocalEngine(
      () => 'local process',
      (dataDir) =>
        startBroker({ dataDir, isBrief: true, port: open, proxied: { port: secured, advertisedPort: secured }, settings }),
    );
    const openAddress = `${host}:${open}`;
    const remove = async (): Promise<void> => {
      await engine.remove();
      await removeFolder();
    };
    await addNames(libraries.classPath, openAddress, username, password).catch(async (error: unknown) => {
      await remove();
      throw error;
    });
    return { kind: 'had', address: `${host}:${secured}`, openAddress, files, username, password, remove };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

const canMakeCertificates = (): Promise<boolean> =>
  run('openssl', ['version']).then(
    () => true,
    () => false,
  );

type Files = SecuredKafka['files'] & { readonly brokerCert: string; readonly brokerKey: string };

/** An authority, and what it has signed: one certificate for the broker and one for its clients. */
async function makeCertificates(folder: string): Promise<Files> {
  const file = (name: string): string => join(folder, `${name}.pem`);
  const ca = file('ca');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [...request, '-subj', '/CN=Authority', '-keyout', file('ca-key'), '-out', ca]);
  for (const name of ['broker', 'client']) {
    const signed = ['-CA', ca, '-CAkey', file('ca-key'), '-subj', `/CN=${name}`, '-addext', `subjectAltName=IP:${host}`];
    await run('openssl', [
      ...request,
      ...signed,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-keyout',
      file(`${name}-key`),
      '-out',
      file(name),
    ]);
  }
  return { ca, cert: file('client'), key: file('client-key'), brokerCert: file('broker'), brokerKey: file('broker-key') };
}

async function securitySettings(files: Files, username: string, password: string): Promise<Readonly<Record<string, string>>> {
  // In a file of Java's properties a line ends where it ends.
  const pem = async (path: string): Promise<string> => (await readFile(path, 'utf8')).trim().replaceAll('\n', String.raw`\n`);
  const quoted = JSON.stringify(password).replaceAll('\\', '\\\\');
  const of = (name: string): string => `listener.name.proxied.${name}`;
  const login = 'org.apache.kafka.common.security';
  return {
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,PROXIED:SASL_SSL',
    [of('ssl.keystore.type')]: 'PEM',
    [of('ssl.keystore.certificate.chain')]: await pem(files.brokerCert),
    [of('ssl.keystore.key')]: await pem(files.brokerKey),
    [of('ssl.truststore.type')]: 'PEM',
    [of('ssl.truststore.certificates')]: await pem(files.ca),
    [of('ssl.client.auth')]: 'required',
    [of('sasl.enabled.mechanisms')]: securedMechanisms.map((one) => one.toUpperCase()).join(','),
    [of('plain.sasl.jaas.config')]: `${login}.plain.PlainLoginModule required user_${username}=${quoted};`,
    [of('scram-sha-256.sasl.jaas.config')]: `${login}.scram.ScramLoginModule required;`,
    [of('scram-sha-512.sasl.jaas.config')]: `${login}.scram.ScramLoginModule required;`,
  };
}

/** One way of proving the name after the other: the command does not take two at once. Passwords with commas it takes only from a file. */
async function addNames(classPath: string, address: string, username: string, password: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'inkstream-names-'));
  const java = ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.admin.ConfigCommand', '--bootstrap-server', address];
  const whose = ['--alter', '--entity-type', 'users', '--entity-name', username];
  try {
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      const file = join(folder, mechanism);
      await writeFile(file, `${mechanism}=password=${password}\n`);
      await run('java', [...java, ...whose, '--add-config-file', file], { timeout: commandMsMax });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
