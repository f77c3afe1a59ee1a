/** What a response fault knows of its request, and the parts of responses that faults share. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Refusal } from '../accounts/access-tokens.ts';
import type { Outcome, RequestLog } from '../http/request-log.ts';
import { ERROR_TYPE, errorBody, fileHeaders, sendFile, sendText, writeBytes } from '../http/responses.ts';
import type { Content } from '../media/contents.ts';
import { type ByteRange, sliceOf } from '../media/ranges.ts';

/** One request for one file. */
export interface FaultContext {
  readonly mediaId: string;
  /** Created at the first access. */
  readonly content: Content;
  readonly response: ServerResponse;
  /** The fault's number; 0 where none was given. */
  readonly amount: number;
  /** The number of requests for this media id, this one included. */
  readonly attempt: number;
  /** Undefined for official accounts: only WeCom supports ranges. */
  readonly range: ByteRange | undefined;
  readonly requestLog: Pick<RequestLog, 'errcode' | 'count'>;
  /** Returns a new video link for this media id; the default lifetime is the simulator's. */
  videoLink(lifetimeMs?: number): string;
  /** Returns a link of the same form to a host that is not WeChat's; every request there is counted. */
  foreignLink(): string;
  /** Aborted when the client has disconnected or the simulator closes. */
  readonly signal: AbortSignal;
}

export interface FaultSpec {
  readonly description: string;
  /** The meaning of the amount; absent: it has none. */
  readonly amount?: string;
  /** It needs no file, so an account-wide fault applies to any media id and to endpoints without files. */
  readonly needsNoFile?: true;
  respond(context: FaultContext): Outcome | Promise<Outcome>;
}

/** Responds with an errcode, by default as text/plain. */
export function sendErrcode(
  { response, requestLog }: Pick<FaultContext, 'response' | 'requestLog'>,
  refusal: Refusal,
  change: (body: string) => string = (body) => body,
  contentType = ERROR_TYPE,
): Outcome {
  requestLog.errcode(refusal.errcode);
  sendText(response, change(errorBody(refusal)), contentType);
  return 'refused';
}

export type HeaderChanges = Readonly<Record<string, string | number | undefined>>;

/** Node throws for headers whose value is undefined. */
const withoutUndefined = (headers: OutgoingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));

/** Responds with the file, or with the range of it, under changed headers; undefined removes a header. */
export async function serve(context: FaultContext, changes: HeaderChanges = {}): Promise<Outcome> {
  const { mediaId, content, range, response } = context;
  const piece = range ? sliceOf(content, range) : content;
  const headers = withoutUndefined({
    ...fileHeaders(mediaId, piece),
    ...(range && {
      'Accept-Ranges': 'bytes',
      'Content-Range': `bytes ${range.start}-${range.end}/${content.sizeBytes}`,
    }),
    ...changes,
  });
  if (!(await sendFile(response, piece, headers, range ? 206 : 200))) return 'faulty';
  context.requestLog.count('bytesServed', piece.sizeBytes);
  return 'served';
}

/** Sends the headers and the first half of the file; the caller ends the response. */
export async function serveHalf(context: FaultContext, changes: HeaderChanges = {}): Promise<void> {
  const { mediaId, content, response } = context;
  response.writeHead(200, withoutUndefined({ ...fileHeaders(mediaId, content), ...changes }));
  await writeBytes(response, content, Math.floor(content.sizeBytes / 2));
}

/** Resolves after so many milliseconds, or earlier when the signal aborts. */
export const sleep = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal }).catch(() => {});
