/** The secrets that sign webhooks, as Standard Webhooks 1.0 has them: `whsec_` and random bytes in base64. */
import { randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
/** What the specification allows. */
const MIN_BYTES = 24;
const MAX_BYTES = 64;
/** Padding is optional, because people lose it. */
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** What is wrong with a secret, after the name of its variable. */
export const SECRET_RULE = `must be whsec_ and then ${MIN_BYTES} to ${MAX_BYTES} random bytes in base64; create one with: echo whsec_$(openssl rand -base64 ${SECRET_BYTES})`;

export const createSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64');

/** Returns the key of a secret; undefined for a text that is not one. */
export function keyOfSecret(secret: string): Buffer | undefined {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  if (!BASE64.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.length >= MIN_BYTES && key.length <= MAX_BYTES ? key : undefined;
}
