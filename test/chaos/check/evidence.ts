/** What the check may read, as files in one folder. Nothing in this folder imports the code under test. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Window } from '../actions.ts';
import type { SentLine } from '../sender.ts';

/** A row as GET /v1/media returns it. */
export interface ApiRow {
  readonly id: string;
  readonly account: string;
  readonly status: string;
  readonly mediaId?: string;
  readonly kind?: string;
  readonly sentAt?: string;
  readonly expiresAt?: string;
  readonly attempts: number;
  readonly objectKey?: string;
  readonly sizeBytes?: number;
  readonly sha256?: string;
  readonly createdAt: string;
  readonly waiting?: { readonly reason: string; readonly until?: string };
  readonly failure?: { readonly code: string; readonly errcode?: number };
}

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Digest {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** A row of any table, as the database gives it. */
export interface DumpedRow {
  readonly table: string;
  readonly row: Readonly<Record<string, unknown>>;
}

/** The content of run.json: the run itself. */
export interface RunFacts {
  readonly way: 'product' | 'naive';
  readonly shape: string;
  readonly seed: number;
  readonly lifeMs: number;
  readonly secrets: readonly string[];
}

export interface Evidence {
  readonly run: RunFacts;
  readonly sent: readonly SentLine[];
  readonly windows: readonly Window[];
  readonly rows: readonly ApiRow[];
  readonly objects: readonly StoredObject[];
  readonly uploads: readonly { readonly key: string; readonly uploadId: string }[];
  /** By account and media id, see {@link digestKey}; absent where the stand-in never had it. */
  readonly digests: Readonly<Record<string, Digest>>;
  /** The stand-in's own count by media id. */
  readonly requestLog: Readonly<Record<string, { readonly requests: number; readonly served: number }>>;
  readonly database: readonly DumpedRow[];
  /** Jobs that are left: BullMQ's hashes in Redis by key. */
  readonly redis: readonly { readonly key: string; readonly value: unknown }[];
  /** Names and texts of all that must hold no secret. */
  texts(): Iterable<{ readonly name: string; readonly text: string }>;
}

export const digestKey = (account: string, mediaId: string): string => `${account} ${mediaId}`;

export const EVIDENCE = 'evidence';

function readLines<Line>(file: string): Line[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** Reads what `collect` and the players wrote; a file that must be there and is not is an error, not an empty list. */
export function readEvidence(folder: string): Evidence {
  const at = (name: string) => join(folder, EVIDENCE, name);
  const json = <Value>(name: string) => JSON.parse(readFileSync(at(name), 'utf8')) as Value;
  const scanned = [
    ...readdirSync(join(folder, 'logs')).map((name) => join('logs', name)),
    ...['rows.jsonl', 'database.jsonl', 'redis.jsonl', 'answers.txt'].map((name) => join(EVIDENCE, name)),
  ].filter((name) => existsSync(join(folder, name)));
  return {
    run: json('run.json'),
    sent: readLines(join(folder, 'sent.jsonl')),
    windows: readLines(join(folder, 'windows.jsonl')),
    rows: readLines(at('rows.jsonl')),
    objects: json('objects.json'),
    uploads: json('uploads.json'),
    digests: json('digests.json'),
    requestLog: json<{ media: Evidence['requestLog'] }>('request-log.json').media,
    database: readLines(at('database.jsonl')),
    redis: readLines(at('redis.jsonl')),
    *texts() {
      for (const name of scanned) yield { name, text: readFileSync(join(folder, name), 'utf8') };
    },
  };
}
