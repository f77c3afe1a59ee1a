/** The URL of an object, by the store's endpoint and addressing. */
import type { Addressing } from '../../config/s3-presets.ts';

export interface Address {
  readonly origin: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number | undefined;
  /** The value of the Host header. */
  readonly host: string;
  /** Returns the path of an object, percent-encoded. */
  pathOf(key: string): string;
  /** Returns an encoded path (`` or `/key`) with the bucket in front, where the addressing is by path. */
  under(path: string): string;
}

/** Percent-encodes everything but the unreserved characters, as SigV4 wants it (encodeURIComponent keeps !'()*). */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export function createAddress(options: {
  endpoint: string;
  bucket: string;
  addressing: Addressing;
}): Address {
  const url = new URL(options.endpoint);
  const virtual = options.addressing === 'virtual';
  const hostname = virtual ? `${options.bucket}.${url.hostname}` : url.hostname;
  const host = url.port ? `${hostname}:${url.port}` : hostname;
  const base = url.pathname.replace(/\/$/, '');
  const bucketPath = options.addressing === 'path' ? `${base}/${encode(options.bucket)}` : base;
  return {
    origin: `${url.protocol}//${host}`,
    protocol: url.protocol,
    hostname,
    port: url.port ? Number(url.port) : undefined,
    host,
    pathOf: (key) => `${bucketPath}/${encode(key).replaceAll('%2F', '/')}`,
    under: (path) => `${bucketPath}${path}` || '/',
  };
}
