/** Archived items with files of every format, and the ways in which a test looks at their previews. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { AMR_SIZES, amrOf, amrWbOf, frameOf, repeat, silkOf } from '../../../preview/samples.ts';
import { KEYS, reference, type StoredContent, type TestServer } from '../../setup.ts';

const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;

/** A photo, as a phone sends it. */
export const photoOf = (width = 1_200, height = 900): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#808080', noise } })
    .jpeg()
    .toBuffer();

export const AMR = amrOf(repeat(frameOf(7, AMR_SIZES[7]), 150));
export const AMR_WB = amrWbOf(repeat(frameOf(2, 33), 100));
export const SILK = await silkOf(24_000, 2);

export const voice = (body: Buffer, contentType = 'audio/amr', extension = 'amr'): StoredContent => ({
  body,
  contentType,
  extension,
});
export const picture = (body: Buffer, contentType = 'image/jpeg', extension = 'jpg'): StoredContent => ({
  body,
  contentType,
  extension,
});

export const archive = (s: TestServer, content: StoredContent): Promise<string> =>
  s.createArchived(reference(), content);

export const preview = (
  s: Pick<TestServer, 'call'>,
  id: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Response> => s.call(`/v1/media/${id}/preview`, { key: 'read', headers, method });

/** The same at another server of the same catalogue. */
export const previewAt = (url: string, id: string): Promise<Response> =>
  fetch(`${url}/v1/media/${id}/preview`, { headers: { authorization: `Bearer ${KEYS.read}` } });

export async function bytesOf(response: Response): Promise<Buffer> {
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.ok([200, 206].includes(response.status), `${response.status} ${bytes.toString('utf8', 0, 500)}`);
  return bytes;
}

export interface PreviewProblem {
  readonly code: string;
  readonly title: string;
  readonly advice: string;
  readonly reason?: { readonly code: string; readonly message: string };
  readonly mediaStatus?: string;
}

/** The status, the code of the problem and the code of the reason. */
export async function problemOf(response: Response): Promise<[number, string, string | undefined]> {
  const problem = (await response.json()) as PreviewProblem;
  return [response.status, problem.code, problem.reason?.code];
}

/** The names of the files in the cache of a DATA_DIR. */
export const cachedIn = (folder: string): Promise<string[]> =>
  readdir(join(folder, 'previews')).catch(() => []);
