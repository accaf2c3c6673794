/**
 * Where MongoDB is, out of a URL that also says who we are.
 *
 * The URL of a database is the one setting that a person gets wrong most often, and it has a password in it. Printed as it is, the
 * password ends in a log that everybody may read; not printed at all, nobody finds the typing error. The driver's own words are no
 * help: some of its errors repeat the whole URL. So what is wrong is said in words of our own, with servers and database and no more.
 *
 * The database's name has to be there. Without one the driver takes `test`, in which a cluster then runs until somebody tidies up.
 */

import { MongoClient, type MongoClientOptions } from 'mongodb';
import { reasonOf } from '#shared/runtime/reason.ts';

export type Place = {
  /** Servers and database, for people: `a:27017,b:27017/inkstream`. */
  readonly name: string;
  readonly database: string;
  /** A text of the driver's without the password, should it be in there. */
  readonly redact: (text: string) => string;
};

const form = 'mongodb://host:27017/inkstream';
const parts = /^(?<scheme>mongodb(?:\+srv)?):\/\/(?:(?<user>[^@/?]*)@)?(?<hosts>[^/?@]+)(?:\/(?<database>[^?]*))?(?:\?.*)?$/su;

/** What MongoDB keeps for itself. */
const reserved: ReadonlySet<string> = new Set(['admin', 'config', 'local']);
const databaseBytesMax = 63;

const refuse = (what: string): Error => new Error(`the MongoDB URL ${what}; it has to be like ${form}`);

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Longest first, so that a part of one that is replaced does not leave the rest of it standing. */
function redacting(secrets: readonly string[]): (text: string) => string {
  const present = [...new Set(secrets)].filter((secret) => secret !== '').toSorted((a, b) => b.length - a.length);
  return (text) => present.reduce((left, secret) => left.replaceAll(secret, '…'), text);
}

/** Passwords of keys and proxies, and tokens, may be among the options. */
const secretOption = /[?&][^=&]*(?:password|token|properties)[^=&]*=(?<value>[^&]*)/giu;

function databaseOf(encoded: string): string {
  // What follows an @ in this place is a server: the password before it has a slash that had to be written as %2F.
  if (encoded.includes('@')) throw refuse('is malformed (special characters in a password have to be percent-encoded)');
  const database = decoded(encoded);
  if (database === '') throw refuse('has no database name');
  if (reserved.has(database)) throw refuse(`names the database "${database}", which is MongoDB's own`);
  if (/[/\\. "$*<>:|?\0]/u.test(database) || Buffer.byteLength(database) > databaseBytesMax)
    throw refuse(`names the database ${JSON.stringify(database)}, which MongoDB does not allow`);
  return database;
}

/**
 * A client, not connected yet, for a URL, and what may be said about where it goes.
 * @throws Error in one line, without the password, where the URL is malformed or has no database name
 */
export function clientFor(url: string, options: MongoClientOptions): { readonly client: MongoClient; readonly place: Place } {
  const { scheme, user = '', hosts, database: name = '' } = parts.exec(url)?.groups ?? {};
  if (scheme === undefined || hosts === undefined) throw refuse('is malformed');
  const password = user.split(':').slice(1).join(':');
  const others = [...url.matchAll(secretOption)].map(({ groups }) => groups?.['value'] ?? '');
  const redact = redacting([url, ...[password, ...others].flatMap((secret) => [secret, decoded(secret)])]);
  const database = databaseOf(name);
  try {
    return { client: new MongoClient(url, options), place: { name: `${hosts}/${database}`, database, redact } };
  } catch (error) {
    // No cause: it may hold the URL.
    throw refuse(`is malformed (${redact(reasonOf(error))})`);
  }
}
