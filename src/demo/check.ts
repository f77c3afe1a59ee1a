/** The judge: what each media should be, by the simulator's word, against what the service says and its links give. */
import { createHash } from 'node:crypto';
import type { Digest } from '../simulator/media/contents.ts';
import type { RowView, ScriptItem } from './script.ts';

export interface ItemCheck {
  readonly id: string;
  readonly description: string;
  readonly row: RowView | undefined;
  /** Read back through its link, with the digest WeChat's file has. */
  readonly verified: boolean;
  /** Why it is not as it must be; empty when it is. */
  readonly problems: readonly string[];
}

export type RowWithLink = RowView & { readonly link?: { readonly url: string } };

interface ReadBack extends Digest {
  readonly etag: string | null;
}

async function readBack(url: string, signal: AbortSignal): Promise<ReadBack> {
  const response = await fetch(url, { signal, redirect: 'error' });
  if (!response.ok || !response.body) throw new Error(`the link was answered ${response.status}`);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    hash.update(chunk);
    sizeBytes += chunk.byteLength;
  }
  return { sha256: hash.digest('hex'), sizeBytes, etag: response.headers.get('etag') };
}

/** `expected` is asked only of what should have been archived. */
export async function checkItem(
  scene: ScriptItem,
  id: string,
  row: RowWithLink | undefined,
  expected: () => Promise<Digest | undefined>,
  signal: AbortSignal,
): Promise<ItemCheck> {
  const wrong: string[] = [];
  let verified = false;
  if (!row) {
    wrong.push('has no row');
  } else {
    if (row.status !== scene.expectedStatus)
      wrong.push(`is ${row.status}, should be ${scene.expectedStatus}`);
    const problem = scene.check?.(row);
    if (problem) wrong.push(problem);
    if (row.status === 'archived') {
      try {
        if (!row.link) throw new Error('it has no link');
        const [stored, sent] = await Promise.all([readBack(row.link.url, signal), expected()]);
        verified =
          stored.sha256 === sent?.sha256 && stored.sizeBytes === sent.sizeBytes && row.sha256 === sent.sha256;
        if (!verified) wrong.push('the stored bytes are not those WeChat sent');
        // The entity tag of a multipart upload ends in the number of its parts.
        if (scene.multipart && !/-\d+"?$/.test(stored.etag ?? '')) wrong.push('was not uploaded in parts');
      } catch (error) {
        wrong.push(`cannot be read back: ${(error as Error).message}`);
      }
    }
  }
  return { id, description: scene.description, row, verified, problems: wrong };
}
