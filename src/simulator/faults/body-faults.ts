/** Misbehaviour: bodies that are not what they should be, or never end, or end too soon. */
import { gzipSync } from 'node:zlib';
import type { Outcome } from '../http/request-log.ts';
import { fileHeaders, sendFile, sendText, writeBytes } from '../http/responses.ts';
import { type Exchange, pause, type Row, serve, serveHalf } from './fault-context.ts';

const PAGE = '<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>';
const STALL_MOST_MS = 120_000;
const LIE_BYTES = 1000;

const page = (says: string, statusOf: (exchange: Exchange) => number, amount?: string): Row => ({
  says,
  ...(amount && { amount }),
  early: true,
  play: (exchange) => {
    sendText(exchange.response, PAGE, 'text/html', statusOf(exchange));
    return 'spoiled';
  },
});

/** Half of the file, then the row's own end. */
const half = (says: string, end: (exchange: Exchange) => unknown, changed = {}): Row => ({
  says,
  play: async (exchange): Promise<Outcome> => {
    await serveHalf(exchange, changed);
    await end(exchange);
    return 'spoiled';
  },
});
const silent = (says: string, end: (exchange: Exchange) => unknown): Row => ({
  says,
  early: true,
  play: (exchange) => {
    end(exchange);
    return 'spoiled';
  },
});
const fin = ({ response }: Exchange) => response.socket?.end();
const rst = ({ response }: Exchange) => response.socket?.resetAndDestroy();

export const BODY_ROWS = {
  none: {
    says: 'the file as documented; a video as a stream',
    play: (exchange: Exchange) => serve(exchange),
  },
  shortBody: half('half of the announced length, then FIN', fin),
  reset: half('half of the announced length, then RST', rst),
  cutChunked: half('chunked, half of the file, then FIN without the last chunk', fin, {
    'Content-Length': undefined,
    'Transfer-Encoding': 'chunked',
  }),
  stall: {
    ...half('half of the file, then silence', async (exchange) => {
      await pause(exchange.amount || STALL_MOST_MS, exchange.signal);
      exchange.response.destroy();
    }),
    amount: 'milliseconds; 0: until the client leaves',
  },
  closedAtOnce: silent('FIN instead of an answer', fin),
  resetAtOnce: silent('RST instead of an answer', rst),
  silence: {
    says: 'no answer at all, then FIN',
    amount: 'milliseconds; 0: until the client leaves',
    early: true,
    play: async (exchange: Exchange): Promise<Outcome> => {
      await pause(exchange.amount || STALL_MOST_MS, exchange.signal);
      fin(exchange);
      return 'spoiled';
    },
  },
  slow: {
    says: 'the first byte late',
    amount: 'milliseconds',
    play: async (exchange: Exchange): Promise<Outcome> => {
      await pause(exchange.amount, exchange.signal);
      return serve(exchange);
    },
  },
  trickle: {
    says: 'the whole file, in sixteen pieces with a pause before each',
    amount: 'milliseconds of each pause',
    play: async (exchange: Exchange): Promise<Outcome> => {
      const { content, response, signal } = exchange;
      const bytes = Buffer.concat([...content.chunks()]);
      const piece = Math.ceil(bytes.length / 16);
      response.writeHead(200, fileHeaders(exchange.mediaId, content));
      for (let at = 0; at < bytes.length && !signal.aborted; at += piece) {
        await pause(exchange.amount, signal);
        response.write(bytes.subarray(at, at + piece));
      }
      response.end();
      if (signal.aborted) return 'spoiled';
      exchange.ledger.count('bytesServed', bytes.length);
      return 'served';
    },
  },
  emptyBody: silent('status 200 and not one byte', ({ response }) => sendText(response, '', 'image/jpeg')),
  html200: page('a page with status 200', () => 200),
  http502: page('status 502 and a page', () => 502),
  httpStatus: page('another status and a page', ({ amount }) => amount || 500, 'the status'),
  gzip: {
    says: 'gzip although nobody asked',
    play: async (exchange: Exchange): Promise<Outcome> => {
      const bytes = gzipSync(Buffer.concat([...exchange.content.chunks()]));
      const content = { ...exchange.content, sizeBytes: bytes.length, chunks: () => [bytes] };
      const headers = { ...fileHeaders(exchange.mediaId, content), 'Content-Encoding': 'gzip' };
      await sendFile(exchange.response, content, headers);
      return 'spoiled';
    },
  },
  lyingLength: {
    says: `a length larger than the file by ${LIE_BYTES} bytes, then FIN`,
    play: async (exchange: Exchange): Promise<Outcome> => {
      const headers = fileHeaders(exchange.mediaId, exchange.content);
      headers['Content-Length'] = exchange.content.sizeBytes + LIE_BYTES;
      exchange.response.writeHead(200, headers);
      await writeBytes(exchange.response, exchange.content);
      fin(exchange);
      return 'spoiled';
    },
  },
  longBody: {
    says: `the whole file under its length, and ${LIE_BYTES} bytes more`,
    play: async (exchange: Exchange): Promise<Outcome> => {
      const { response, content } = exchange;
      response.writeHead(200, fileHeaders(exchange.mediaId, content));
      await writeBytes(response, content);
      response.end(Buffer.alloc(LIE_BYTES));
      return 'spoiled';
    },
  },
  shortLength: {
    says: `a length smaller than the file by ${LIE_BYTES} bytes`,
    play: async (exchange: Exchange): Promise<Outcome> => {
      await serve(exchange, { 'Content-Length': Math.max(0, exchange.content.sizeBytes - LIE_BYTES) });
      return 'spoiled';
    },
  },
} satisfies Record<string, Row>;
