/** Tests with real requests whether the store supports every operation, and names the setting or right to change. */
import { createHash, randomUUID } from 'node:crypto';
import { UPLOAD_PARTS } from '../../config/upload-parts.ts';
import { type Explanation, FailureError } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Permission, PermissionReport } from '../../storage/permissions.ts';
import type { Store } from '../../storage/store.ts';
import { explain } from '../../wechat/api/errcodes.ts';

type Words = Explanation['message'];

export interface StoreFinding {
  /** Whether archiving and erasing work. True with advice: another operation does not. */
  readonly ok: boolean;
  readonly message: Words;
  readonly advice?: Words;
}

/** One byte more than fits into one PUT, so that it is two parts. */
const PARTS_BYTES = UPLOAD_PARTS.partSizeBytes + 1;
const LINK_MS = 60_000;

type TestedStore = Pick<Store, 'bucket' | 'put' | 'get' | 'head' | 'delete' | 'link' | 'checkPermissions'>;

/** The effect of a missing right. `needed`: for archiving or erasing; the others are warnings. */
const WITHOUT: Record<Permission, { readonly needed: boolean; readonly en: string; readonly zh: string }> = {
  's3:PutObject': { needed: true, en: 'nothing can be archived', zh: '无法归档任何素材' },
  's3:GetObject': {
    needed: true,
    en: 'links do not open, and files above 8 MiB cannot be verified and fail',
    zh: '链接无法打开，且 8 MiB 以上的文件因无法校验而失败',
  },
  's3:DeleteObject': {
    needed: true,
    en: 'nothing can be erased, and test objects stay in the bucket',
    zh: '无法删除数据，探测对象也会留在桶中',
  },
  's3:AbortMultipartUpload': {
    needed: true,
    en: 'parts of interrupted uploads stay and cost money, and their erasure does not finish',
    zh: '中断上传的分片会残留并产生费用，相关删除也无法完成',
  },
  's3:ListBucketMultipartUploads': {
    needed: false,
    en: 'uploads whose id is lost are not found: a lifecycle rule has to abort them',
    zh: '无法找到丢失 ID 的未完成上传，需由生命周期规则清理',
  },
  's3:ListBucket': {
    needed: false,
    en: 'the response for a missing object is 403, so items are closed without knowing whether their objects exist, and wma verify --adopt and --orphans do not work',
    zh: '对象不存在时也返回 403，素材在关闭前无法确认对象是否存在，wma verify --adopt 与 --orphans 不可用',
  },
  's3:ListBucketVersions': {
    needed: false,
    en: 'erasing only hides objects because the bucket keeps versions, and erasures do not finish',
    zh: '桶保留版本，删除只会隐藏对象，擦除无法完成',
  },
  's3:DeleteObjectVersion': {
    needed: false,
    en: 'erasing only hides objects because the bucket keeps versions, and erasures do not finish',
    zh: '桶保留版本，删除只会隐藏对象，擦除无法完成',
  },
};

function describeMissing(action: Permission, bucket: string): Required<Omit<StoreFinding, 'ok'>> {
  const resource = action.startsWith('s3:ListBucket') ? bucket : `${bucket}/*`;
  const { en, zh } = WITHOUT[action];
  return {
    message: { en: `the access key lacks ${action}: ${en}`, zh: `访问密钥缺少 ${action} 权限：${zh}` },
    advice: {
      en: `Grant ${action} on ${resource} to the key.`,
      zh: `请授予该密钥对 ${resource} 的 ${action} 权限。`,
    },
  };
}

/** Resolves with all findings: first the store as a whole, then one for each missing right that archiving does not need. */
export async function checkStore(
  store: TestedStore,
  options: { prefix: string; clock: Pick<Clock, 'now'>; signal: AbortSignal },
): Promise<readonly StoreFinding[]> {
  const { signal } = options;
  let rights: PermissionReport;
  try {
    rights = await store.checkPermissions(signal);
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    const { message, advice } = explain(error.failure);
    const where = error.failure.detail ?? error.failure.code;
    const text = { en: `${message.en} (${where})`, zh: `${message.zh}（${where}）` };
    return [{ ok: false, message: text, advice }];
  }
  const { missing, lockedUntil } = rights;
  const lacking = (needed: boolean) =>
    missing
      .filter((action) => WITHOUT[action].needed === needed)
      .map((action) => ({ ok: !needed, ...describeMissing(action, store.bucket) }));
  const main = lacking(true).length > 0 ? lacking(true) : [await testTransfers(store, options)];
  return [...main, ...lacking(false), ...(lockedUntil ? [retention(lockedUntil)] : [])];
}

const retention = (until: Date): StoreFinding => ({
  ok: true,
  message: {
    en: `the bucket keeps new objects until ${until.toISOString()} by default (Object Lock): what is erased before that is unreachable through this service, and is deleted when its retention ends`,
    zh: `该桶默认保留新对象至 ${until.toISOString()}（Object Lock）：在此之前擦除的数据在本服务中不可访问，到期后才会真正删除`,
  },
  advice: {
    en: 'Shorten or remove the default retention of the bucket if erasing must be immediate; test objects stay as long.',
    zh: '若必须立即删除，请缩短或取消桶的默认保留期；探测对象同样会保留至到期。',
  },
});

/** Puts, reads, opens by a link and deletes a small object and a large one in parts. */
async function testTransfers(
  store: TestedStore,
  { prefix, clock, signal }: Parameters<typeof checkStore>[1],
): Promise<StoreFinding> {
  const steps: string[] = [];
  const keys: string[] = [];
  try {
    for (const [name, sizeBytes] of [
      ['in one piece', 1000],
      ['in parts', PARTS_BYTES],
    ] as const) {
      const key = `${prefix}.probe/${randomUUID()}`;
      keys.push(key);
      steps.push(`writing ${name}`);
      const put = await store.put({
        key,
        body: (async function* () {
          yield Buffer.alloc(sizeBytes, 'wma');
        })(),
        expect: { lengthBytes: sizeBytes },
        contentType: 'text/plain',
        contentDisposition: 'attachment',
        metadata: { id: 'doctor' },
        signal,
      });
      steps.push(`reading back what was written ${name}`);
      if ((await store.head(key, signal))?.metadata.id !== 'doctor')
        throw new Error('the metadata is missing');
      const stored = await store.get(key, { signal });
      if (!stored) throw new Error('the object is missing');
      const hash = createHash('sha256');
      for await (const chunk of stored.body as AsyncIterable<Buffer>) hash.update(chunk);
      if (hash.digest('hex') !== put.sha256) throw new Error('the bytes differ');
    }
    steps.push('opening a signed link');
    const { url } = await store.link(keys[0]!, { now: clock.now(), ttlMs: LINK_MS });
    const { status } = await fetch(url, { signal }).catch(() => ({ status: 0 }));
    if (status !== 200) throw new Error(status === 0 ? 'no response' : `HTTP ${status}`);
    steps.push('deleting it');
    for (const key of keys) await store.delete(key, signal);
    const { bucket } = store;
    return {
      ok: true,
      message: {
        en: `${bucket} can be written, read, linked to and cleaned up`,
        zh: `${bucket} 可写、可读、链接可用，并已清理`,
      },
    };
  } catch (error) {
    const cleanup = AbortSignal.timeout(5_000);
    for (const key of keys) await store.delete(key, cleanup).catch(() => undefined);
    const step = steps.at(-1)!;
    const known = error instanceof FailureError ? error.failure : undefined;
    const reason = known ? (known.detail ?? known.code) : String((error as Error).message);
    const message = { en: `${step} failed: ${reason}`, zh: `存储试用失败（${step}）：${reason}` };
    return { ok: false, message, advice: adviceOf(step, known) };
  }
}

function adviceOf(step: string, known: FailureError['failure'] | undefined): Words {
  if (step.includes('link'))
    return {
      en: 'Correct S3_PUBLIC_ENDPOINT: browsers open links there.',
      zh: '请更正 S3_PUBLIC_ENDPOINT：浏览器通过它打开链接。',
    };
  if (known) return explain(known).advice;
  return { en: 'Check the log and S3_PRESET.', zh: '请查看日志与 S3_PRESET。' };
}
