/** One request for one file, and the ways in which rows of misbehaviour answer it. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Refusal } from '../accounts/access-tokens.ts';
import type { Ledger, Outcome } from '../http/request-log.ts';
import { ERROR_TYPE, errorBody, fileHeaders, sendFile, sendText, writeBytes } from '../http/responses.ts';
import type { Content } from '../media/contents.ts';
import { type ByteRange, sliceOf } from '../media/ranges.ts';

export interface Exchange {
  readonly mediaId: string;
  /** Made when first looked at. */
  readonly content: Content;
  readonly response: ServerResponse;
  /** The behaviour's number; 0 where none was given. */
  readonly amount: number;
  /** How often this media was asked for, this time included. */
  readonly tries: number;
  /** WeCom alone honours one. */
  readonly range: ByteRange | undefined;
  readonly ledger: Pick<Ledger, 'errcode' | 'count'>;
  /** A fresh video link for this media; default life: the simulator's. */
  link(lifeMs?: number): string;
  /** A link of the same form to a host that is not WeChat's; every request there is counted. */
  elsewhere(): string;
  /** Aborted when the client has gone or the simulator closes. */
  readonly signal: AbortSignal;
}

export interface Row {
  readonly says: string;
  /** What the amount means; absent: nothing. */
  readonly amount?: string;
  /** Answered before the media id is looked at, when an account misbehaves as a whole. */
  readonly early?: true;
  play(exchange: Exchange): Outcome | Promise<Outcome>;
}

/** Answers with an errcode, as text/plain unless told. */
export function refuse(
  { response, ledger }: Pick<Exchange, 'response' | 'ledger'>,
  refusal: Refusal,
  change: (body: string) => string = (body) => body,
  contentType = ERROR_TYPE,
): Outcome {
  ledger.errcode(refusal.errcode);
  sendText(response, change(errorBody(refusal)), contentType);
  return 'refused';
}

type Headers = Readonly<Record<string, string | number | undefined>>;

/** Of headers that may be undefined, those that are not: Node refuses the others. */
const defined = (headers: OutgoingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));

/** The good answer, with headers changed; undefined takes a header away. A range gives that piece. */
export async function serve(exchange: Exchange, changed: Headers = {}): Promise<Outcome> {
  const { mediaId, content, range, response } = exchange;
  const piece = range ? sliceOf(content, range) : content;
  const headers = defined({
    ...fileHeaders(mediaId, piece),
    ...(range && {
      'Accept-Ranges': 'bytes',
      'Content-Range': `bytes ${range.start}-${range.end}/${content.sizeBytes}`,
    }),
    ...changed,
  });
  if (!(await sendFile(response, piece, headers, range ? 206 : 200))) return 'spoiled';
  exchange.ledger.count('bytesServed', piece.sizeBytes);
  return 'served';
}

/** Headers and the first half of the file; then the row's own end. */
export async function serveHalf(exchange: Exchange, changed: Headers = {}): Promise<void> {
  const { mediaId, content, response } = exchange;
  response.writeHead(200, defined({ ...fileHeaders(mediaId, content), ...changed }));
  await writeBytes(response, content, Math.floor(content.sizeBytes / 2));
}

/** Resolves when the time has passed or the exchange is over. */
export const pause = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal }).catch(() => {});
