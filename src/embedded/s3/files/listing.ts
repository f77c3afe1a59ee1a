/** Keys in S3's order, read folder by folder: only folders that can hold a wanted key are opened. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Error } from '../protocol/responses.ts';
import { fromBytes, nameOf, readName, toBytes } from './key-path.ts';
import { errnoOf, type ObjectInfo, readRecord } from './record-file.ts';

export interface ListingQuery {
  readonly prefix: string;
  readonly delimiter: string;
  /** Keys up to this one, in S3's order, are left out. */
  readonly startAfter: string;
  readonly continuationToken: string | undefined;
  readonly maxKeys: number;
}

export interface ListingPage {
  readonly objects: readonly ObjectInfo[];
  readonly commonPrefixes: readonly string[];
  readonly nextToken: string | undefined;
}

/** All byte strings (key-path.ts). `done`: a prefix that is rolled up already. */
interface Window {
  readonly prefix: string;
  readonly after: string;
  done: string | undefined;
}

async function* walk(
  folder: string,
  base: string,
  window: Window,
): AsyncGenerator<{ key: string; path: string }> {
  const { prefix, after } = window;
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return; // pruned since its parent was read
    throw error;
  }
  // Plain strings in their built-in order: a folder may hold 100,000 names, and every page sorts what is left of them.
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
    if (window.done !== undefined && text.startsWith(window.done)) continue;
    const { kind, name } = nameOf(bytes);
    const path = join(folder, name);
    if (kind !== 'object') yield* walk(path, text, window);
    else if (text.startsWith(prefix) && text > after) yield { key: text, path };
  }
}

/** A token is the last thing a page gave, and whether that was a rolled-up prefix. */
const writeToken = (last: string, isPrefix: boolean) =>
  Buffer.from(`${isPrefix ? 'p' : 'k'}${last}`, 'latin1').toString('base64url');

function readToken(token: string): { last: string; isPrefix: boolean } {
  const text = Buffer.from(token, 'base64url').toString('latin1');
  if (!/^[pk]/.test(text) || text.length > 1025)
    throw new S3Error('InvalidArgument', 'The continuation token is not one of ours.');
  return { last: text.slice(1), isPrefix: text[0] === 'p' };
}

/** How many files' facts are read at once. */
const READERS = 16;

/** @throws S3Error InvalidArgument for a foreign continuation token. */
export async function listPage(root: string, query: ListingQuery): Promise<ListingPage> {
  const token = query.continuationToken === undefined ? undefined : readToken(query.continuationToken);
  const [prefix, delimiter] = [toBytes(query.prefix), toBytes(query.delimiter)];
  const window: Window = {
    prefix,
    after: token?.last ?? toBytes(query.startAfter),
    done: token?.isPrefix ? token.last : undefined,
  };
  const found: { key: string; path: string }[] = [];
  const commonPrefixes: string[] = [];
  let last = '';
  let nextToken: string | undefined;
  if (query.maxKeys === 0) return { objects: [], commonPrefixes: [], nextToken };
  for await (const { key, path } of walk(root, '', window)) {
    if (found.length + commonPrefixes.length === query.maxKeys) {
      nextToken = writeToken(last, last === window.done);
      break;
    }
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut >= 0) {
      window.done = key.slice(0, cut + delimiter.length);
      last = window.done;
      commonPrefixes.push(fromBytes(last));
    } else {
      found.push({ key, path });
      last = key;
    }
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
  return { objects: objects.filter((facts) => facts !== undefined), commonPrefixes, nextToken };
}
