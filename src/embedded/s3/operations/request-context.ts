/** One request and its response, as the operations see them: the signature is verified and the target is parsed. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../runtime/clock.ts';
import type { DiskSpace } from '../files/disk-space.ts';
import type { Uploads } from '../files/multipart.ts';
import type { ObjectFolder } from '../files/objects.ts';
import type { StagedFile } from '../files/record-file.ts';
import { announcedLength, type BodyRequest, receiveBody, type VerifiedBody } from '../protocol/body.ts';
import type { RequestTarget } from '../protocol/request-target.ts';
import { S3Error } from '../protocol/responses.ts';

export interface Bucket {
  readonly name: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly objects: ObjectFolder;
  readonly uploads: Uploads;
  readonly disk: DiskSpace;
}

export interface RequestContext extends BodyRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: RequestTarget;
  readonly headers: NodeJS.Dict<string[]>;
}

export type Operation = (context: RequestContext, bucket: Bucket) => Promise<void>;

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

/** Writes the body to a staged file and verifies it; `publish` then moves the file. An error leaves nothing behind. */
export async function receiveInto(
  context: RequestContext,
  { objects, disk }: Bucket,
  publish: (staged: StagedFile, verified: VerifiedBody) => Promise<void>,
): Promise<void> {
  const release = await disk.reserve(announcedLength(context.headers));
  try {
    const staged = await objects.stage();
    try {
      await publish(staged, await receiveBody(context, staged.write));
    } finally {
      await staged.discard();
    }
  } finally {
    release();
  }
}

/** Returns a whole number of the query. @throws S3Error InvalidArgument */
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
