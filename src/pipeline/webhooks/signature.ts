/** Signatures of Standard Webhooks 1.0 (standardwebhooks.com): HMAC-SHA256, version 1. */
import { createHmac } from 'node:crypto';
import { keyOfSecret } from '../../signing-secret.ts';

export interface SignedMessage {
  /** The id of the event, which stays the same when it is sent again. */
  readonly id: string;
  readonly sentAt: Date;
  readonly body: string;
  /** The header of W3C Trace Context, which is not signed. */
  readonly traceparent?: string | undefined;
}

/** Returns the headers of a message, with a signature for each secret. Throws for a text that is not a secret. */
export function signedHeaders(
  { id, sentAt, body }: SignedMessage,
  secrets: readonly string[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = keyOfSecret(secret);
    if (!key) throw new TypeError('not a signing secret');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
