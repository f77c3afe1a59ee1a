/** Addresses that work without a token: the link in a video_url, and the PicUrl of a picture. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * Where links lead, without a slash at the end. Default: this simulator, as `http://127.0.0.1:{port}/{domain}`, because
 * WeChat too writes a raw IP with the domain as first path segment. A test of the SSRF guard sets public names or
 * addresses here and lets its resolver lead them back.
 */
export interface PublicUrls {
  /** Such as `http://203.205.137.89/vweixinp.tc.qq.com`, or `http://vweixinp.tc.qq.com`. */
  readonly videos: string;
  /** Such as `http://mmbiz.qpic.cn`. */
  readonly pictures: string;
  /** A host that is not WeChat's: the service must never send a request there. */
  readonly foreign: string;
}

const VIDEO_PATH = /^(?:\/vweixinp\.tc\.qq\.com)?\/1007_([0-9a-f]{96})\.f10\.mp4$/;
const PICTURE_PATH = /^(?:\/mmbiz\.qpic\.cn)?\/mmbiz_(?:jpg|png)\/([A-Za-z0-9_-]{64})\/0$/;

/** Returns the times of issue and end, twelve hexadecimal digits each, and a digest over them and the path. */
function vkeyOf(hexadecimal: string, issuedAtMs: number, endsAtMs: number): string {
  const times = [issuedAtMs, endsAtMs].map((ms) => ms.toString(16).padStart(12, '0')).join('');
  return times + createHmac('sha256', 'simulated link').update(`${hexadecimal} ${times}`).digest('hex');
}

const fileName = (mediaId: string) => `1007_${Buffer.from(mediaId, 'base64url').toString('hex')}.f10.mp4`;

export function videoLink(
  base: string,
  mediaId: string,
  validity: { issuedAt: Date; lifetimeMs: number },
): string {
  const name = fileName(mediaId);
  const issuedAtMs = validity.issuedAt.getTime();
  const vkey = vkeyOf(name.slice(5, -8), issuedAtMs, issuedAtMs + validity.lifetimeMs);
  return `${base}/${name}?vkey=${vkey}&sha=0&save=1`;
}

export const pictureLink = (base: string, mediaId: string): string => `${base}/mmbiz_jpg/${mediaId}/0`;

export interface VideoLink {
  readonly mediaId: string;
  readonly issuedAtMs: number;
  readonly endsAtMs: number;
  /** Its vkey was not issued by the simulator. */
  readonly forged: boolean;
}

/** Parses the address of a video link; undefined for any other path. */
export function parseVideoLink(url: URL): VideoLink | undefined {
  const hexadecimal = VIDEO_PATH.exec(url.pathname)?.[1];
  if (!hexadecimal) return undefined;
  const vkey = url.searchParams.get('vkey') ?? '';
  const [issuedAtMs, endsAtMs] = [vkey.slice(0, 12), vkey.slice(12, 24)].map((digits) =>
    Number.parseInt(digits, 16),
  ) as [number, number];
  const expected = Buffer.from(vkeyOf(hexadecimal, issuedAtMs || 0, endsAtMs || 0));
  const given = Buffer.from(vkey);
  const forged = given.length !== expected.length || !timingSafeEqual(given, expected);
  return { mediaId: Buffer.from(hexadecimal, 'hex').toString('base64url'), issuedAtMs, endsAtMs, forged };
}

/** Returns the media id of a PicUrl; undefined for any other path. */
export const parsePictureLink = (url: URL): string | undefined => PICTURE_PATH.exec(url.pathname)?.[1];

/** Whether a request carries a credential or a Referer, which no link needs. */
export function leaksCredentials({ headers, url = '' }: Pick<IncomingMessage, 'headers' | 'url'>): boolean {
  return (
    headers.cookie !== undefined ||
    headers.referer !== undefined ||
    headers.authorization !== undefined ||
    /[?&]access_token=/.test(url)
  );
}
