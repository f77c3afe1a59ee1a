/** Writes responses: errcodes, whole files and parts of files. */
import { randomBytes } from 'node:crypto';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import type { Refusal } from '../accounts/access-tokens.ts';
import type { Content } from '../media/contents.ts';

/** WeChat spells `encoding=` and not `charset=`, and uses text/plain as well. */
export const JSON_TYPE = 'application/json; encoding=utf-8';
export const ERROR_TYPE = 'text/plain';

const requestId = (): string =>
  randomBytes(12)
    .toString('hex')
    .replace(/^(.{8})(.{8})/, '$1-$2-');

/** Returns the body of an error; its errmsg ends with a request id, as Tencent's do. */
export function errorBody({ errcode, errmsg }: Refusal): string {
  return JSON.stringify({ errcode, errmsg: `${errmsg} rid: ${requestId()}` });
}

export function sendText(response: ServerResponse, body: string, contentType: string, status = 200): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

/** Node writes headers as latin1; WeCom sends the bytes of UTF-8. */
function contentDisposition(mediaId: string, { fileName, extension }: Content): string {
  if (fileName === undefined) return `attachment; filename="${mediaId}.${extension}"`;
  const latin1 = Buffer.from(fileName).toString('latin1');
  return `attachment; filename*=utf-8''${encodeURIComponent(fileName)}; filename="${latin1}"`;
}

/** Returns the headers of a file as the documentation shows them (older getMedia page). */
export function fileHeaders(mediaId: string, content: Content): OutgoingHttpHeaders {
  return {
    Connection: 'close',
    'Content-Type': content.contentType,
    'Content-disposition': contentDisposition(mediaId, content),
    'Cache-Control': 'no-cache, must-revalidate',
    'Content-Length': content.sizeBytes,
  };
}

/** Writes at most `bytesMax` of a file, no faster than the client reads; false when the client has disconnected. */
export async function writeBytes(
  response: ServerResponse,
  content: Content,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  let left = bytesMax;
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  for (const chunk of content.chunks()) {
    if (left <= 0 || response.destroyed) break;
    const piece = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= piece.length;
    const written = new Promise<void>((resolve) => {
      response.write(piece, () => resolve());
    });
    await Promise.race([written, closed]);
  }
  return !response.destroyed;
}

/** Sends a file, or a piece of one, under these headers; false when the client disconnected before the last byte. */
export async function sendFile(
  response: ServerResponse,
  content: Content,
  headers: OutgoingHttpHeaders,
  status = 200,
): Promise<boolean> {
  response.writeHead(status, headers);
  if (!(await writeBytes(response, content))) return false;
  response.end();
  try {
    await finished(response);
    return true;
  } catch {
    return false;
  }
}
