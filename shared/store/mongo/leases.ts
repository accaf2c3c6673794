/** Leases in MongoDB: { _id: name, kind, version, holder, turn, lastsMs }. */

import type { Collection, Db } from 'mongodb';
import { storedKinds, type Decoded } from '#shared/runtime/stored-kind.ts';
import type { Lease, LeaseStore } from '../leases.ts';
import { expectDecoded } from '../values.ts';
import type { Connection } from './connection.ts';
import { decodeFields, kindOf, numberIn, textIn, type Fields } from './values.ts';
import { insert, type Stored } from './writes.ts';

const leasesIn = (db: Db): Collection<Stored<string>> => db.collection('leases');

/** A lease as it is stored, but for the id. */
const encodeLease = ({ holder, turn, lastsMs }: Lease) => ({
  ...kindOf(storedKinds.lease),
  holder: holder ?? null,
  turn,
  lastsMs,
});

function decodeLease(fields: Fields): Decoded<Lease> {
  return decodeFields(fields, storedKinds.lease, (fields) => ({
    holder: fields['holder'] === null ? undefined : textIn(fields, 'holder'),
    turn: numberIn(fields, 'turn'),
    lastsMs: numberIn(fields, 'lastsMs'),
  }));
}

/** Leases in the database of a connection. */
export function createMongoLeases({ db, run }: Connection): LeaseStore {
  return {
    readLease: (name) =>
      run(async (call) => {
        const stored = await leasesIn(db).findOne({ _id: name }, call);
        return stored === null ? undefined : expectDecoded(decodeLease(stored), `the lease ${JSON.stringify(name)}`);
      }),
    writeLease: (name, seen, lease) =>
      run(async (call) => {
        if (seen === undefined) return insert(leasesIn(db), { _id: name, ...encodeLease(lease) }, call);
        const where = { _id: name, ...kindOf(storedKinds.lease), turn: seen.turn };
        const { matchedCount } = await leasesIn(db).updateOne(where, { $set: encodeLease(lease) }, call);
        return matchedCount > 0;
      }),
  };
}
