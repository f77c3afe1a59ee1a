/** Parses the JSON that WeChat returns, and turns its errcodes and HTTP statuses into failures. */
import type { Product } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import { redact } from '../../runtime/redaction.ts';
import { isInt4, storableLine } from '../../storable.ts';
import type { Endpoint } from './errcode-rows/meaning.ts';
import { classifyErrcode } from './errcodes.ts';

export type ApiResponse = Readonly<Record<string, unknown>>;

/**
 * Returns the JSON object in `text`, or undefined. Accepts a byte order mark, and raw control characters inside
 * strings: JSON forbids both, but WeChat sends them, and several SDKs remove them.
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
 * Returns the errcode of a response. Some servers send it as a string, and the device APIs wrap it in `base_resp`. A
 * number that JavaScript cannot represent exactly is still an error, and becomes the largest safe integer.
 */
export function errcodeOf(response: ApiResponse): number | undefined {
  const { errcode, base_resp } = response;
  if (errcode === undefined && typeof base_resp === 'object' && base_resp !== null) {
    return errcodeOf({ errcode: (base_resp as ApiResponse).errcode });
  }
  const number = typeof errcode === 'string' && errcode.trim() !== '' ? Number(errcode) : errcode;
  if (typeof number !== 'number' || Number.isNaN(number)) return undefined;
  if (Math.abs(number) > Number.MAX_SAFE_INTEGER) return Math.sign(number) * Number.MAX_SAFE_INTEGER;
  return Number.isInteger(number) ? number : undefined;
}

/** Returns `errmsg` cut to 300 characters, with `[redacted]` in place of each secret. */
function errmsgOf(response: ApiResponse, secrets: readonly string[]): string | undefined {
  const { errmsg } = response;
  if (typeof errmsg !== 'string' || errmsg.trim() === '') return undefined;
  const clean = secrets
    .filter(Boolean)
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), errmsg);
  return storableLine(redact(clean), 300);
}

/**
 * Returns the failure for an errcode. `secrets` are removed from errmsg, because the errmsg of 40001 quotes the token.
 */
export function errcodeFailure(
  response: ApiResponse,
  errcode: number,
  from: { product: Product; endpoint: Endpoint; secrets: readonly string[] },
): FailureError {
  const errmsg = errmsgOf(response, from.secrets);
  // Tencent's request id is a separate member, or the end of errmsg: "… rid: 6087f0d0-5c83dcaa-438ebbcc".
  const rid = typeof response.rid === 'string' ? response.rid : /\brid:\s*([\w-]+)/.exec(errmsg ?? '')?.[1];
  return new FailureError({
    ...classifyErrcode(from.product, from.endpoint, errcode),
    // No documented errcode is outside the range of the catalogue's int4 column.
    ...(isInt4(errcode) ? { errcode } : { detail: `errcode ${errcode}` }),
    ...(errmsg ? { errmsg } : {}),
    ...(rid && /^[\w-]{1,80}$/.test(rid) ? { rid } : {}),
  });
}

/** Returns the failure for an HTTP status, when the response has no errcode. */
export function httpFailure(status: number, where: string, retryAfterMs?: number): FailureError {
  const detail = `HTTP ${status} from ${where}`;
  const options = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (status === 429 || status === 503) {
    return new FailureError({ code: 'http_busy', class: 'minute_limit', detail }, options);
  }
  if (status === 408 || status >= 500) return failure('http_status', detail, options);
  return new FailureError({ code: 'http_refused', class: 'unknown', detail }, options);
}
