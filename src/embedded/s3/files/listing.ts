/** Lists keys in S3's order, folder by folder: only folders that can hold a wanted key are read. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Error } from '../protocol/responses.ts';
import { nameOf, readName, toBytes } from './key-path.ts';
import { errnoOf, type ObjectInfo, readRecord } from './record-file.ts';

export interface ListingQuery {
  readonly prefix: string;
  /** Keys up to this one, in S3's order, are left out. */
  readonly startAfter: string;
  readonly continuationToken: string | undefined;
  readonly maxKeys: number;
}

export interface ListingPage {
  readonly objects: readonly ObjectInfo[];
  readonly nextToken: string | undefined;
}

/** Byte strings (key-path.ts): the keys wanted begin with `prefix` and come after `after`. */
interface Wanted {
  readonly prefix: string;
  readonly after: string;
}

async function* walk(
  folder: string,
  base: string,
  wanted: Wanted,
): AsyncGenerator<{ key: string; path: string }> {
  const { prefix, after } = wanted;
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return; // removed since its parent was read
    throw error;
  }
  // Sorted as plain strings: a folder may hold 100,000 names, and every page sorts those that are left.
  const entries: string[] = [];
  for (const name of names) {
    const bytes = readName(name);
    if (bytes === undefined) continue;
    const text = base + bytes;
    const inPrefix = text.startsWith(prefix) || prefix.startsWith(text);
    if (inPrefix && (text > after || after.startsWith(text))) entries.push(bytes);
  }
  entries.sort();
  for (const bytes of entries) {
    const text = base + bytes;
    const { kind, name } = nameOf(bytes);
    const path = join(folder, name);
    if (kind !== 'object') yield* walk(path, text, wanted);
    else if (text.startsWith(prefix) && text > after) yield { key: text, path };
  }
}

/** A continuation token is the last key of the page before. */
const writeToken = (lastKey: string) => Buffer.from(`k${lastKey}`, 'latin1').toString('base64url');

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString('latin1');
  if (!text.startsWith('k') || text.length > 1025)
    throw new S3Error('InvalidArgument', 'The continuation token is not from this server.');
  return text.slice(1);
}

/** How many records are read at once. */
const READERS = 16;

/** @throws S3Error InvalidArgument for a continuation token of another server. */
export async function listPage(root: string, query: ListingQuery): Promise<ListingPage> {
  const { continuationToken, maxKeys } = query;
  const wanted: Wanted = {
    prefix: toBytes(query.prefix),
    after: continuationToken === undefined ? toBytes(query.startAfter) : readToken(continuationToken),
  };
  const found: { key: string; path: string }[] = [];
  let nextToken: string | undefined;
  if (maxKeys === 0) return { objects: [], nextToken };
  for await (const entry of walk(root, '', wanted)) {
    if (found.length === maxKeys) {
      nextToken = writeToken(found.at(-1)!.key);
      break;
    }
    found.push(entry);
  }
  const objects: (ObjectInfo | undefined)[] = new Array(found.length);
  let next = 0;
  const reader = async () => {
    while (next < found.length) {
      const index = next++;
      objects[index] = await readRecord(found[index]!.path);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return { objects: objects.filter((info) => info !== undefined), nextToken };
}
