/** Reads the JSON that WeChat answers with, leniently, and turns its errcodes into failures. */
import type { Product } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import { redact } from '../../runtime/redaction.ts';
import { isInt4, storableLine } from '../../storable.ts';
import type { Endpoint } from './errcode-table.ts';
import { classifyErrcode } from './errcodes.ts';

export type ApiResponse = Readonly<Record<string, unknown>>;

/**
 * The object in `text`, or undefined. Lenient where WeChat is sloppy: a byte order mark, and raw control characters
 * inside strings, which JSON forbids and several SDKs learned to strip.
 */
export function parseApiResponse(text: string): ApiResponse | undefined {
  try {
    const parsed: unknown = JSON.parse(text.replace(/^\uFEFF/, '').replace(/[\x00-\x1f]/g, ' '));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as ApiResponse)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The errcode of an answer; some servers send it as a string, and the device interfaces wrap it. A number beyond what
 * JavaScript counts exactly is still an error, and becomes the largest one.
 */
export function errcodeOf(answer: ApiResponse): number | undefined {
  const { errcode, base_resp } = answer;
  if (errcode === undefined && typeof base_resp === 'object' && base_resp !== null) {
    return errcodeOf({ errcode: (base_resp as ApiResponse).errcode });
  }
  const number = typeof errcode === 'string' && errcode.trim() !== '' ? Number(errcode) : errcode;
  if (typeof number !== 'number' || Number.isNaN(number)) return undefined;
  if (Math.abs(number) > Number.MAX_SAFE_INTEGER) return Math.sign(number) * Number.MAX_SAFE_INTEGER;
  return Number.isInteger(number) ? number : undefined;
}

/** WeChat's words without secrets, known ones to the letter included, cut to 300 characters. */
function errmsgOf(answer: ApiResponse, secrets: readonly string[]): string | undefined {
  const { errmsg } = answer;
  if (typeof errmsg !== 'string' || errmsg.trim() === '') return undefined;
  const clean = secrets
    .filter(Boolean)
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), errmsg);
  return storableLine(redact(clean), 300);
}

/** The failure that an errcode is. `secrets` are cut out of errmsg: 40001 is known to quote the token. */
export function errcodeFailure(
  answer: ApiResponse,
  errcode: number,
  from: { product: Product; endpoint: Endpoint; secrets: readonly string[] },
): FailureError {
  const errmsg = errmsgOf(answer, from.secrets);
  // Tencent's request id is a member of its own or the tail of errmsg: "… rid: 6087f0d0-5c83dcaa-438ebbcc".
  const rid = typeof answer.rid === 'string' ? answer.rid : /\brid:\s*([\w-]+)/.exec(errmsg ?? '')?.[1];
  return new FailureError({
    ...classifyErrcode(from.product, from.endpoint, errcode),
    // No table of WeChat's has a number that does not fit a column of four bytes.
    ...(isInt4(errcode) ? { errcode } : { detail: `errcode ${errcode}` }),
    ...(errmsg ? { errmsg } : {}),
    ...(rid && /^[\w-]{1,80}$/.test(rid) ? { rid } : {}),
  });
}

/** What an HTTP status is where no errcode came along. */
export function httpFailure(status: number, where: string, retryAfterMs?: number): FailureError {
  const detail = `HTTP ${status} from ${where}`;
  const hint = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (status === 429 || status === 503) {
    return new FailureError({ code: 'http_busy', class: 'minute_limit', detail }, hint);
  }
  if (status === 408 || status >= 500) return failure('http_status', detail, hint);
  return new FailureError({ code: 'http_refused', class: 'unknown', detail }, hint);
}
