/** An object to be uploaded: its key, headers and body. */
import type { ObjectHeaders } from './object-headers.ts';
import type { Expectation } from './verified-body.ts';

export interface NewObject extends ObjectHeaders {
  readonly key: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Undefined: the length is unknown, and the body itself throws when it is cut off (chunked encoding). */
  readonly expect?: Expectation | undefined;
  /** Awaited before the first part is sent. Not called for a body that is one PUT. */
  readonly onMultipart?: ((uploadId: string) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
}
