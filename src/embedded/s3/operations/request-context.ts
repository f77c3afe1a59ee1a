/** One request and its answer, as the operations see them: already signed for, already taken apart. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../runtime/clock.ts';
import type { DiskSpace } from '../files/disk-space.ts';
import type { Uploads } from '../files/multipart.ts';
import type { ObjectFolder } from '../files/objects.ts';
import type { StagedFile } from '../files/record-file.ts';
import { announcedLength, receiveBody, receiveDocument, type VerifiedBody } from '../protocol/body.ts';
import type { RequestTarget } from '../protocol/request-target.ts';
import { S3Error } from '../protocol/responses.ts';
import type { Payload } from '../protocol/signature.ts';

export interface Bucket {
  readonly bucket: string;
  readonly region: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly objects: ObjectFolder;
  readonly uploads: Uploads;
  readonly disk: DiskSpace;
}

export interface RequestContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: RequestTarget;
  readonly headers: NodeJS.Dict<string[]>;
  readonly payload: Payload;
  /** Sends `100 Continue` if the client waits for one: only now is its body wanted. */
  acceptBody(): void;
}

export type Operation = (exchange: RequestContext, store: Bucket) => Promise<void>;

export function send(
  { response }: Pick<RequestContext, 'response'>,
  statusCode: number,
  headers: Record<string, string | number>,
  xml?: string,
): void {
  const length = xml === undefined ? {} : { 'content-length': Buffer.byteLength(xml) };
  const type = xml === undefined ? {} : { 'content-type': 'application/xml' };
  response.writeHead(statusCode, { ...type, ...length, ...headers });
  response.end(xml);
}

/** Takes the body into a file aside, proves it, and lets `publish` move it; whatever fails leaves nothing behind. */
export async function receiveInto(
  { request, headers, payload, acceptBody }: RequestContext,
  { objects, disk }: Bucket,
  publish: (draft: StagedFile, proven: VerifiedBody) => Promise<void>,
): Promise<void> {
  const release = await disk.reserve(announcedLength(headers, payload));
  try {
    const draft = await objects.stage();
    try {
      acceptBody();
      const proven = await receiveBody(request, payload, draft.write);
      await publish(draft, proven);
    } finally {
      await draft.discard();
    }
  } finally {
    release();
  }
}

export function receiveXml(
  { request, payload, acceptBody }: RequestContext,
  limitBytes: number,
): Promise<string> {
  acceptBody();
  return receiveDocument(request, payload, limitBytes);
}

/** A whole number in the query. @throws S3Error InvalidArgument */
export function readNumber(
  { target }: Pick<RequestContext, 'target'>,
  name: string,
  { otherwise, from, to }: { otherwise?: number; from: number; to: number },
): number {
  const text = target.query.get(name);
  if (text === undefined && otherwise !== undefined) return otherwise;
  const value = /^\d{1,9}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (!(value >= from && value <= to))
    throw new S3Error('InvalidArgument', `${name} is a number from ${from} to ${to}.`);
  return value;
}
