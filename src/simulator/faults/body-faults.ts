/** Response faults: bodies that are wrong, never end, or end too early. */
import { gzipSync } from 'node:zlib';
import type { Outcome } from '../http/request-log.ts';
import { fileHeaders, sendFile, sendText, writeBytes } from '../http/responses.ts';
import {
  type FaultContext,
  type FaultSpec,
  type HeaderChanges,
  serve,
  serveHalf,
  sleep,
} from './fault-context.ts';

const PAGE = '<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>';
const STALL_MAX_MS = 120_000;
const LENGTH_ERROR_BYTES = 1000;

const page = (
  description: string,
  statusOf: (context: FaultContext) => number,
  amount?: string,
): FaultSpec => ({
  description,
  ...(amount && { amount }),
  needsNoFile: true,
  respond: (context) => {
    sendText(context.response, PAGE, 'text/html', statusOf(context));
    return 'faulty';
  },
});

/** Half of the file, then `end`. */
const half = (
  description: string,
  end: (context: FaultContext) => unknown,
  changes: HeaderChanges = {},
): FaultSpec => ({
  description,
  respond: async (context): Promise<Outcome> => {
    await serveHalf(context, changes);
    await end(context);
    return 'faulty';
  },
});
const withoutFile = (description: string, end: (context: FaultContext) => unknown): FaultSpec => ({
  description,
  needsNoFile: true,
  respond: (context) => {
    end(context);
    return 'faulty';
  },
});
const fin = ({ response }: FaultContext) => response.socket?.end();
const rst = ({ response }: FaultContext) => response.socket?.resetAndDestroy();

export const BODY_FAULTS = {
  none: {
    description: 'no fault: the file as documented; a video as a stream',
    respond: (context: FaultContext) => serve(context),
  },
  shortBody: half('half of the announced length, then FIN', fin),
  reset: half('half of the announced length, then RST', rst),
  cutChunked: half('chunked, half of the file, then FIN without the last chunk', fin, {
    'Content-Length': undefined,
    'Transfer-Encoding': 'chunked',
  }),
  stall: {
    ...half('half of the file, then nothing', async (context) => {
      await sleep(context.amount || STALL_MAX_MS, context.signal);
      context.response.destroy();
    }),
    amount: 'milliseconds; 0: until the client disconnects',
  },
  closedAtOnce: withoutFile('FIN in place of a response', fin),
  resetAtOnce: withoutFile('RST in place of a response', rst),
  noResponse: {
    description: 'no response, then FIN',
    amount: 'milliseconds; 0: until the client disconnects',
    needsNoFile: true,
    respond: async (context: FaultContext): Promise<Outcome> => {
      await sleep(context.amount || STALL_MAX_MS, context.signal);
      fin(context);
      return 'faulty';
    },
  },
  slow: {
    description: 'a delay before the first byte',
    amount: 'milliseconds',
    respond: async (context: FaultContext): Promise<Outcome> => {
      await sleep(context.amount, context.signal);
      return serve(context);
    },
  },
  trickle: {
    description: 'the whole file, in sixteen pieces with a pause before each',
    amount: 'milliseconds of each pause',
    respond: async (context: FaultContext): Promise<Outcome> => {
      const { content, response, signal } = context;
      const bytes = Buffer.concat([...content.chunks()]);
      const pieceBytes = Math.ceil(bytes.length / 16);
      response.writeHead(200, fileHeaders(context.mediaId, content));
      for (let at = 0; at < bytes.length && !signal.aborted; at += pieceBytes) {
        await sleep(context.amount, signal);
        response.write(bytes.subarray(at, at + pieceBytes));
      }
      response.end();
      if (signal.aborted) return 'faulty';
      context.requestLog.count('bytesServed', bytes.length);
      return 'served';
    },
  },
  emptyBody: withoutFile('status 200 and an empty body', ({ response }) =>
    sendText(response, '', 'image/jpeg'),
  ),
  html200: page('an HTML page with status 200', () => 200),
  http502: page('an HTML page with status 502', () => 502),
  httpStatus: page('an HTML page with another status', ({ amount }) => amount || 500, 'the status'),
  gzip: {
    description: 'gzip, which the request does not accept',
    respond: async (context: FaultContext): Promise<Outcome> => {
      const bytes = gzipSync(Buffer.concat([...context.content.chunks()]));
      const content = { ...context.content, sizeBytes: bytes.length, chunks: () => [bytes] };
      const headers = { ...fileHeaders(context.mediaId, content), 'Content-Encoding': 'gzip' };
      await sendFile(context.response, content, headers);
      return 'faulty';
    },
  },
  lengthTooLarge: {
    description: `a length larger than the file by ${LENGTH_ERROR_BYTES} bytes, then FIN`,
    respond: async (context: FaultContext): Promise<Outcome> => {
      const headers = fileHeaders(context.mediaId, context.content);
      headers['Content-Length'] = context.content.sizeBytes + LENGTH_ERROR_BYTES;
      context.response.writeHead(200, headers);
      await writeBytes(context.response, context.content);
      fin(context);
      return 'faulty';
    },
  },
  longBody: {
    description: `the whole file with its length, and ${LENGTH_ERROR_BYTES} bytes more`,
    respond: async (context: FaultContext): Promise<Outcome> => {
      const { response, content } = context;
      response.writeHead(200, fileHeaders(context.mediaId, content));
      await writeBytes(response, content);
      response.end(Buffer.alloc(LENGTH_ERROR_BYTES));
      return 'faulty';
    },
  },
  lengthTooSmall: {
    description: `a length smaller than the file by ${LENGTH_ERROR_BYTES} bytes`,
    respond: async (context: FaultContext): Promise<Outcome> => {
      const announcedBytes = Math.max(0, context.content.sizeBytes - LENGTH_ERROR_BYTES);
      await serve(context, { 'Content-Length': announcedBytes });
      return 'faulty';
    },
  },
} satisfies Record<string, FaultSpec>;
