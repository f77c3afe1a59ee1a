/** Compares what became of a media item with the script, and its stored bytes with those that the simulator sent. */
import { createHash } from 'node:crypto';
import type { Digest } from '../simulator/media/contents.ts';
import type { RowView, ScriptItem } from './script.ts';

export interface ItemCheck {
  readonly id: string;
  readonly description: string;
  readonly row: RowView | undefined;
  /** The bytes behind its link have the digest of the simulator's file. */
  readonly verified: boolean;
  /** Empty when everything is as the script says. */
  readonly problems: readonly string[];
}

export type RowWithLink = RowView & { readonly link?: { readonly url: string } };

interface StoredFile extends Digest {
  readonly etag: string | null;
}

async function readBack(url: string, signal: AbortSignal): Promise<StoredFile> {
  const response = await fetch(url, { signal, redirect: 'error' });
  if (!response.ok || !response.body) throw new Error(`the link returned ${response.status}`);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    hash.update(chunk);
    sizeBytes += chunk.byteLength;
  }
  return { sha256: hash.digest('hex'), sizeBytes, etag: response.headers.get('etag') };
}

/** `digestOfSent` is called only for an archived item. */
export async function checkItem(
  item: ScriptItem,
  id: string,
  row: RowWithLink | undefined,
  digestOfSent: () => Promise<Digest | undefined>,
  signal: AbortSignal,
): Promise<ItemCheck> {
  const { description } = item;
  if (!row) return { id, description, row, verified: false, problems: ['has no row'] };
  const problems: string[] = [];
  let verified = false;
  if (row.status !== item.expectedStatus) problems.push(`is ${row.status}, should be ${item.expectedStatus}`);
  const problem = item.check?.(row);
  if (problem) problems.push(problem);
  if (row.status === 'archived') {
    try {
      if (!row.link) throw new Error('it has no link');
      const [stored, sent] = await Promise.all([readBack(row.link.url, signal), digestOfSent()]);
      verified =
        stored.sha256 === sent?.sha256 && stored.sizeBytes === sent.sizeBytes && row.sha256 === sent.sha256;
      if (!verified) problems.push('the stored bytes are not those that WeChat sent');
      // The entity tag of a multipart upload ends in the number of its parts.
      if (item.multipart && !/-\d+"?$/.test(stored.etag ?? '')) problems.push('was not uploaded in parts');
    } catch (error) {
      problems.push(`cannot be read back: ${(error as Error).message}`);
    }
  }
  return { id, description, row, verified, problems };
}
