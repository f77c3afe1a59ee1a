/** Whether the store does all that is asked of it, tried for real, and which setting to change where it does not. */
import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { FailureError } from '../failures.ts';
import type { Store } from '../storage/store.ts';

export interface StoreFinding {
  readonly ok: boolean;
  readonly message: string;
  readonly advice?: string;
}

/** Just above what goes in one piece, so that it is two parts. */
const PARTS_BYTES = 8 * 1024 * 1024 + 1;
const LINK_MS = 60_000;

type Tried = Pick<Store, 'bucket' | 'put' | 'get' | 'head' | 'remove' | 'link'>;

/** Puts, reads back, opens by a link and removes a small object, and a large one in parts. */
export async function examineStore(
  store: Tried,
  options: { prefix: string; clock: Pick<Clock, 'now'>; signal: AbortSignal },
): Promise<StoreFinding> {
  const { signal } = options;
  const steps: string[] = [];
  const keys: string[] = [];
  try {
    for (const [name, sizeBytes] of [
      ['in one piece', 1000],
      ['in parts', PARTS_BYTES],
    ] as const) {
      const key = `${options.prefix}.probe/${randomUUID()}`;
      keys.push(key);
      steps.push(`writing ${name}`);
      const put = await store.put({
        key,
        body: (async function* () {
          yield Buffer.alloc(sizeBytes, 'wma');
        })(),
        expect: { lengthBytes: sizeBytes },
        contentType: 'text/plain',
        disposition: 'attachment',
        metadata: { id: 'doctor' },
        signal,
      });
      steps.push(`reading back what was written ${name}`);
      if ((await store.head(key, signal))?.metadata.id !== 'doctor') throw new Error('it keeps no metadata');
      const stored = await store.get(key, { signal });
      if (!stored) throw new Error('it is not there');
      const hash = createHash('sha256');
      for await (const chunk of stored.body as AsyncIterable<Buffer>) hash.update(chunk);
      if (hash.digest('hex') !== put.sha256) throw new Error('it gave back other bytes');
    }
    steps.push('opening a signed link');
    const { url } = await store.link(keys[0]!, { now: options.clock.now(), ttlMs: LINK_MS });
    const { status } = await fetch(url, { signal }).catch(() => ({ status: 0 }));
    if (status !== 200) throw new Error(status === 0 ? 'nobody answers there' : `it is answered ${status}`);
    steps.push('removing it again');
    for (const key of keys) await store.remove(key, signal);
    return { ok: true, message: `${store.bucket} is written, read, linked to and cleaned up` };
  } catch (error) {
    const left = AbortSignal.timeout(5_000);
    for (const key of keys) await store.remove(key, left).catch(() => undefined);
    const step = steps.at(-1)!;
    const words =
      error instanceof FailureError
        ? (error.failure.detail ?? error.message)
        : String((error as Error).message);
    return { ok: false, message: `${step} failed: ${words}`, advice: adviceOf(step, words) };
  }
}

const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/NoSuchBucket/, 'Make the bucket, or correct S3_BUCKET.'],
  [/InvalidAccessKeyId|UserDisable/, 'Correct S3_ACCESS_KEY_ID.'],
  [/SignatureDoesNotMatch/, 'Correct S3_SECRET_ACCESS_KEY; if it is right, S3_REGION.'],
  [/RequestTimeTooSkewed/, "Set this machine's clock by NTP."],
  [
    /PermanentRedirect|AuthorizationHeaderMalformed|HTTP 301/,
    'Correct S3_REGION and S3_ENDPOINT: the bucket is elsewhere.',
  ],
  [/SecondLevelDomainForbidden/, 'Set S3_ADDRESSING=virtual, or S3_PRESET to the vendor.'],
  [
    /HTTP 403/,
    'Give the access key the right to put, get and delete objects and multipart uploads in this bucket.',
  ],
  [/HTTP 404/, 'Correct S3_ENDPOINT, or S3_ADDRESSING: this address is not the bucket.'],
  [/ENOTFOUND|ECONNREFUSED|no answer/, 'Correct S3_ENDPOINT, or start the store.'],
  [/disk_full|HTTP 507/, 'Free space on the disk of DATA_DIR.'],
];

function adviceOf(step: string, words: string): string {
  if (step.includes('link')) return 'Correct S3_PUBLIC_ENDPOINT: browsers open links there.';
  return ADVICE.find(([pattern]) => pattern.test(words))?.[1] ?? 'Look at the log, and at S3_PRESET.';
}
