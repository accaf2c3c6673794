/**
 * What an error of the driver means for whoever called the store.
 *
 * A store that is away is waited for (`StoreUnavailable`), for ever if need be; a mistake of this program has to come out at once, since no waiting mends it. To list
 * what may be waited for is the obvious way, and the dangerous one: whatever was left out of the list ends a persister in the night
 * (a full disk, a quota of the provider, a member in recovery that answers with a code nobody had seen). So the list has the mistakes: what
 * the driver refuses before it sends anything, and the codes with which a server says that a command makes no sense. Everything else is waited for, and named.
 *
 * A write that the primary made but could not have confirmed by a majority is not a success: after a fail-over it may be gone.
 */

import {
  MongoAPIError,
  MongoBulkWriteError,
  MongoClientClosedError,
  MongoError,
  MongoExpiredSessionError,
  MongoNotConnectedError,
  MongoParseError,
  MongoServerClosedError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
  MongoWriteConcernError,
} from 'mongodb';
import { StoreUnavailable } from '../store.ts';
import type { Place } from './place.ts';

/** Codes of MongoDB's error_codes.yml with which a server says that it was asked for something that makes no sense. */
const mistakes: ReadonlySet<unknown> = new Set([
  2, // BadValue
  9, // FailedToParse
  14, // TypeMismatch
  17, // ProtocolError
  22, // InvalidBSON
  40, // ConflictingUpdateOperators
  52, // DollarPrefixedFieldName
  59, // CommandNotFound
  66, // ImmutableField
  72, // InvalidOptions
  73, // InvalidNamespace
  10_334, // BSONObjectTooLarge
  40_415, // an unknown field in a command
]);

/** Codes with which a server says that it does not let this user in, or not do this. */
const refusals: ReadonlySet<unknown> = new Set([13, 18, 8000]);

/** The driver's API errors that say only that a connection has been closed. */
const closings = [
  MongoClientClosedError,
  MongoExpiredSessionError,
  MongoNotConnectedError,
  MongoServerClosedError,
  MongoTopologyClosedError,
] as const;

export const duplicateCode = 11_000;
export const isDuplicate = (error: unknown): boolean => error instanceof MongoServerError && error.code === duplicateCode;

const isRefused = (error: unknown): boolean => error instanceof MongoServerError && refusals.has(error.code);

/** Whether a write was made, and not confirmed. Of several in one command too. */
export const isUnconfirmed = (error: unknown): boolean =>
  error instanceof MongoWriteConcernError ||
  (error instanceof MongoBulkWriteError && error.result.getWriteConcernError() !== undefined);

/** Whether a command makes no sense to the driver or to the server. */
export const isMistake = (error: MongoError): boolean => {
  if (isUnconfirmed(error)) return false;
  if (error instanceof MongoServerError) return mistakes.has(error.code);
  if (closings.some((closing) => error instanceof closing)) return false;
  return error instanceof MongoAPIError || error instanceof MongoParseError;
};

function wordsFor(error: MongoError): string {
  const code = error.code === undefined ? '' : ` (code ${error.code})`;
  if (isUnconfirmed(error))
    return `did not confirm a write for a majority of its members, which is not kept for sure${code}: ${error.message}`;
  if (isRefused(error)) return `refused${code}: ${error.message}; check the user, the password, the user's roles and authSource`;
  if (error instanceof MongoServerSelectionError) {
    const why = error.reason?.compatibilityError ?? error.message;
    return `has no server that takes writes, or none that can be reached from here: ${why}; check that it runs and has a primary`;
  }
  return `failed${code}: ${error.message}`;
}

/** Codes of Node's with which a socket says that it is no more. The driver lets them through where it waits until a long command has been written. */
const socketFailure = /^(?:E[A-Z]+|ERR_(?:STREAM|SOCKET|SSL|TLS)_[A-Z_]+)$/u;

const isOfSocket = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && socketFailure.test(error.code);

/** What to throw for `error`: `StoreUnavailable` where the store is away, the error itself where it is neither the driver's nor a socket's, or a mistake. */
export function failureFrom(error: unknown, place: Place): unknown {
  if (!(error instanceof MongoError) && isOfSocket(error))
    return new StoreUnavailable(place.redact(`MongoDB at ${place.name} can not be reached: ${error.message}`), { cause: error });
  if (!(error instanceof MongoError) || isMistake(error)) return error;
  return new StoreUnavailable(place.redact(`MongoDB at ${place.name} ${wordsFor(error)}`), { cause: error });
}

/**
 * The same at the opening, where what was set up wrongly (credentials, a file of the TLS options that can't be read) is an error that no waiting mends. A name that can't be resolved is
 * waited for: it may be that of a container that starts later.
 */
export function openingFailureFrom(error: unknown, place: Place): unknown {
  const failure = failureFrom(error, place);
  const isOfFile = error instanceof Error && 'syscall' in error && error.syscall === 'open';
  return failure instanceof StoreUnavailable && (isRefused(error) || isOfFile) ? new Error(failure.message) : failure;
}
