/** References, stored objects and attempts for the tests of the catalogue. */
import type { Catalogue } from '../../src/catalogue/catalogue.ts';
import type { Database } from '../../src/catalogue/database/database.ts';
import type { Reference } from '../../src/media.ts';
import { SCHEMA } from './backends.ts';

export const NOW = new Date('2026-05-01T12:00:00Z');
export const at = (ms: number) => new Date(NOW.getTime() + ms);
export const HOUR_MS = 3_600_000;
export const WINDOW = 1_000;

/** The fields of a heartbeat that no rule depends on. */
export const HEARTBEAT = { program: 'worker', version: '1.2.3', uptimeMs: 60_000, inHand: 2 } as const;

let serial = 0;
/** A reference to a new item of a new account. */
export function reference(fields: Partial<Reference> = {}): Reference {
  serial++;
  return { account: `wx${serial}`, mediaId: `media-${serial}`, kind: 'image', sentAt: NOW, ...fields };
}

export const STORED = {
  bucket: 'b',
  objectKey: 'k.jpg',
  sizeBytes: 5_000_000_000,
  sha256: 'f'.repeat(64),
  contentType: 'image/jpeg',
  declaredType: 'text/jpeg',
  fileName: '照片.jpg',
  source: 'media_get',
  lengthVerified: true,
} as const;

export const insertOne = async (catalogue: Catalogue, one: Reference) =>
  (await catalogue.media.insert([one], NOW, false))[0]!;

/** Claims all due items of the account and returns the job of this one. */
export async function claimOne(catalogue: Catalogue, one: Reference, now = NOW) {
  const { claimed } = await catalogue.queue.claim([{ account: one.account, capacity: 100 }], now, WINDOW);
  return claimed.find((job) => job.reference.mediaId === one.mediaId)!;
}

export const attemptOf = (job: { id: string; generation: number }, endedAt = at(1000)) => ({
  id: job.id,
  generation: job.generation,
  startedAt: NOW,
  endedAt,
});

/** Every row of every table as one text, to find out whether a value is anywhere in the database. */
export async function dumpRows(database: Database): Promise<string> {
  const tables = await database.query<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
    [SCHEMA],
  );
  const rows = await Promise.all(
    tables.map(({ name }) => database.query(`SELECT to_jsonb(t) AS row FROM ${SCHEMA}.${name} AS t`)),
  );
  return JSON.stringify(rows);
}
