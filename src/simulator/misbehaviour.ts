/**
 * The ways in which WeChat misbehaves, as a table: a row is a name of media-id.ts and what it plays instead of the
 * file. Whoever needs another way adds a name there and a row here.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { REFUSALS, type Refusal } from './access-tokens.ts';
import { ERROR_TYPE, errorBody, fileHeaders, JSON_TYPE, sendFile, sendText, writeBytes } from './answers.ts';
import type { Content } from './contents.ts';
import type { Ledger, Outcome } from './ledger.ts';
import type { Behaviour, BehaviourName } from './media-id.ts';

/** One request for one file. */
export interface Exchange {
  readonly mediaId: string;
  /** Made when first looked at. */
  readonly content: Content;
  readonly response: ServerResponse;
  /** The behaviour's number; 0 where none was given. */
  readonly amount: number;
  readonly ledger: Pick<Ledger, 'errcode' | 'count'>;
  /** A fresh video link for this media. */
  link(): string;
  /** Aborted when the client has gone or the simulator closes. */
  readonly signal: AbortSignal;
}

interface Row {
  readonly says: string;
  /** Answered before the media id is looked at, when an account misbehaves as a whole. */
  readonly early?: true;
  play(exchange: Exchange): Outcome | Promise<Outcome>;
}

export const INVALID_MEDIA: Refusal = { errcode: 40007, errmsg: 'invalid media_id' };
const SYSTEM_BUSY: Refusal = { errcode: -1, errmsg: 'system error' };
const PAGE = '<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>';
const STALL_MOST_MS = 120_000;

/** The words WeChat uses for the errcodes a test is likely to ask for. */
const ERRMSGS: Readonly<Record<number, string>> = {
  [-1]: SYSTEM_BUSY.errmsg,
  40001: REFUSALS.invalid.errmsg,
  40007: INVALID_MEDIA.errmsg,
  40164: 'invalid ip 203.0.113.7, not in whitelist',
  42001: REFUSALS.expired.errmsg,
  45009: REFUSALS.quota.errmsg,
  45011: 'api minute-quota reach limit, must slower, retry next minute',
  48001: 'api unauthorized',
};
const refusalOf = (errcode: number): Refusal => ({ errcode, errmsg: ERRMSGS[errcode] ?? 'error' });

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

/** The good answer, with headers changed; undefined takes a header away. */
async function serve(
  exchange: Exchange,
  changed: Record<string, string | number | undefined> = {},
): Promise<Outcome> {
  const headers: Record<string, string | number> = {};
  const named = { ...fileHeaders(exchange.mediaId, exchange.content), ...changed };
  for (const [name, value] of Object.entries(named)) if (value !== undefined) headers[name] = value as string;
  if (!(await sendFile(exchange.response, exchange.content, headers))) return 'spoiled';
  exchange.ledger.count('bytesServed', exchange.content.sizeBytes);
  return 'served';
}

/** Headers and the first half of the file; then the row's own end. */
async function serveHalf(exchange: Exchange): Promise<void> {
  exchange.response.writeHead(200, fileHeaders(exchange.mediaId, exchange.content));
  await writeBytes(exchange.response, exchange.content, Math.floor(exchange.content.sizeBytes / 2));
}

/** Resolves when the time has passed or the exchange is over. */
const pause = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal }).catch(() => {});

function link({ response, link }: Exchange, change: (body: string) => string): Outcome {
  sendText(response, change(JSON.stringify({ video_url: link() })), ERROR_TYPE);
  return 'linked';
}

export const BEHAVIOURS: Readonly<Record<BehaviourName, Row>> = {
  none: { says: 'the file as documented', play: (exchange) => serve(exchange) },
  invalid: { says: '40007 from the beginning', play: (exchange) => refuse(exchange, INVALID_MEDIA) },
  errcode: {
    says: 'the errcode given as amount',
    early: true,
    play: (exchange) => refuse(exchange, refusalOf(exchange.amount), undefined, JSON_TYPE),
  },
  errcodeAsString: {
    says: 'the errcode given as amount, in quotes',
    early: true,
    play: (exchange) =>
      refuse(exchange, refusalOf(exchange.amount), (body) =>
        body.replace(/"errcode":(-?\d+)/, '"errcode":"$1"'),
      ),
  },
  errcodeWithControlCharacters: {
    says: 'the errcode given as amount, raw control characters in its errmsg',
    early: true,
    play: (exchange) =>
      refuse(exchange, refusalOf(exchange.amount), (body) => body.replace(' rid:', '\u0001\u000b\n rid:')),
  },
  systemBusy: { says: '-1', early: true, play: (exchange) => refuse(exchange, SYSTEM_BUSY) },
  tokenRefused: {
    says: '40001 with a good token',
    early: true,
    play: (exchange) => refuse(exchange, REFUSALS.invalid),
  },
  shortBody: {
    says: 'half of the announced length, then FIN',
    play: async (exchange): Promise<Outcome> => {
      await serveHalf(exchange);
      exchange.response.socket?.end();
      return 'spoiled';
    },
  },
  reset: {
    says: 'half of the announced length, then RST',
    play: async (exchange): Promise<Outcome> => {
      await serveHalf(exchange);
      exchange.response.socket?.resetAndDestroy();
      return 'spoiled';
    },
  },
  stall: {
    says: 'half of the file, then silence for so many milliseconds (0: until the client leaves)',
    play: async (exchange): Promise<Outcome> => {
      await serveHalf(exchange);
      await pause(exchange.amount || STALL_MOST_MS, exchange.signal);
      exchange.response.destroy();
      return 'spoiled';
    },
  },
  slow: {
    says: 'the first byte after so many milliseconds',
    play: async (exchange): Promise<Outcome> => {
      await pause(exchange.amount, exchange.signal);
      return serve(exchange);
    },
  },
  noLength: {
    says: 'no length; the body ends with the connection',
    play: (exchange) => {
      exchange.response.removeHeader('Transfer-Encoding'); // Node then delimits by closing
      return serve(exchange, { 'Content-Length': undefined });
    },
  },
  chunked: {
    says: 'no length; chunked',
    play: (exchange) => serve(exchange, { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' }),
  },
  html200: {
    says: 'a page with status 200',
    early: true,
    play: ({ response }) => {
      sendText(response, PAGE, 'text/html');
      return 'spoiled';
    },
  },
  gzip: {
    says: 'gzip although nobody asked',
    play: async (exchange): Promise<Outcome> => {
      const bytes = gzipSync(Buffer.concat([...exchange.content.chunks()]));
      const content = { ...exchange.content, sizeBytes: bytes.length, chunks: () => [bytes] };
      const headers = { ...fileHeaders(exchange.mediaId, content), 'Content-Encoding': 'gzip' };
      await sendFile(exchange.response, content, headers);
      return 'spoiled';
    },
  },
  lyingType: {
    says: 'the file as text/plain',
    play: (exchange) => serve(exchange, { 'Content-Type': 'text/plain' }),
  },
  lyingLength: {
    says: 'a length larger than the file by 1000 bytes, then FIN',
    play: async (exchange): Promise<Outcome> => {
      const headers = fileHeaders(exchange.mediaId, exchange.content);
      headers['Content-Length'] = exchange.content.sizeBytes + 1000;
      exchange.response.writeHead(200, headers);
      await writeBytes(exchange.response, exchange.content);
      exchange.response.socket?.end();
      return 'spoiled';
    },
  },
  emptyBody: {
    says: 'status 200 and not one byte',
    early: true,
    play: ({ response }) => {
      sendText(response, '', 'image/jpeg');
      return 'spoiled';
    },
  },
  noDisposition: {
    says: 'the file without Content-disposition',
    play: (exchange) => serve(exchange, { 'Content-disposition': undefined }),
  },
  oddDisposition: {
    says: 'filename* first in lower case, filename as UTF-8 read as latin1',
    play: (exchange) => {
      const name = `测试(一).${exchange.content.extension}`;
      const latin1 = Buffer.from(name).toString('latin1');
      const value = `attachment; filename*=utf-8''${encodeURIComponent(name)}; filename="${latin1}"`;
      return serve(exchange, { 'Content-disposition': value });
    },
  },
  http502: {
    says: 'status 502 and a page',
    early: true,
    play: ({ response }) => {
      sendText(response, PAGE, 'text/html', 502);
      return 'spoiled';
    },
  },
  videoUrl: {
    says: 'a video_url; its link answers 404 to the first requests, as many as the amount',
    play: (exchange) => link(exchange, (body) => body),
  },
  videoUrlEscaped: {
    says: 'a video_url with escaped slashes',
    play: (exchange) => link(exchange, (body) => body.replaceAll('/', '\\/')),
  },
  videoUrlHtml: {
    says: 'a video_url whose link is a page',
    play: (exchange) => link(exchange, (body) => body),
  },
};

/** What to play for this request: once its `times` are used up, a behaviour is over. */
export function behaviourNow(behaviour: Behaviour | undefined, tries: number): BehaviourName {
  if (!behaviour) return 'none';
  return behaviour.times && tries > behaviour.times ? 'none' : behaviour.name;
}
