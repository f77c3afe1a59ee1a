/** Addresses that work without a token: the link behind a video_url, and the PicUrl of a picture. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * Where links lead, without a slash at the end. Default: this simulator, as `http://127.0.0.1:{port}/{domain}`, which is
 * how WeChat writes them (a raw IP, and the domain as first segment). A test of an address guard puts public names or
 * addresses here and lets its resolver lead them back.
 */
export interface PublicUrls {
  /** Such as `http://203.205.137.89/vweixinp.tc.qq.com`, or `http://vweixinp.tc.qq.com`. */
  readonly videos: string;
  /** Such as `http://mmbiz.qpic.cn`. */
  readonly pictures: string;
  /** A host that nobody should ever ask. */
  readonly elsewhere: string;
}

const VIDEO_PATH = /^(?:\/vweixinp\.tc\.qq\.com)?\/1007_([0-9a-f]{96})\.f10\.mp4$/;
const PICTURE_PATH = /^(?:\/mmbiz\.qpic\.cn)?\/mmbiz_(?:jpg|png)\/([A-Za-z0-9_-]{64})\/0$/;

/** When the link was given and when it ends, in twelve hexadecimal digits each, and a digest over that and the path. */
function vkeyOf(hexadecimal: string, bornAtMs: number, endsAtMs: number): string {
  const times = [bornAtMs, endsAtMs].map((ms) => ms.toString(16).padStart(12, '0')).join('');
  return times + createHmac('sha256', 'simulated link').update(`${hexadecimal} ${times}`).digest('hex');
}

const fileName = (mediaId: string) => `1007_${Buffer.from(mediaId, 'base64url').toString('hex')}.f10.mp4`;

export function videoLink(base: string, mediaId: string, life: { bornAt: Date; lifeMs: number }): string {
  const name = fileName(mediaId);
  const bornAtMs = life.bornAt.getTime();
  const vkey = vkeyOf(name.slice(5, -8), bornAtMs, bornAtMs + life.lifeMs);
  return `${base}/${name}?vkey=${vkey}&sha=0&save=1`;
}

export const pictureLink = (base: string, mediaId: string): string => `${base}/mmbiz_jpg/${mediaId}/0`;

/** The media of a video link; `forged` where its vkey was not given by us. Undefined: no such path. */
export function readVideoLink(
  url: URL,
): { mediaId: string; bornAtMs: number; endsAtMs: number; forged: boolean } | undefined {
  const hexadecimal = VIDEO_PATH.exec(url.pathname)?.[1];
  if (!hexadecimal) return undefined;
  const vkey = url.searchParams.get('vkey') ?? '';
  const [bornAtMs, endsAtMs] = [vkey.slice(0, 12), vkey.slice(12, 24)].map((digits) =>
    Number.parseInt(digits, 16),
  ) as [number, number];
  const expected = Buffer.from(vkeyOf(hexadecimal, bornAtMs || 0, endsAtMs || 0));
  const given = Buffer.from(vkey);
  const forged = given.length !== expected.length || !timingSafeEqual(given, expected);
  return { mediaId: Buffer.from(hexadecimal, 'hex').toString('base64url'), bornAtMs, endsAtMs, forged };
}

/** The media of a PicUrl. */
export const readPictureLink = (url: URL): string | undefined => PICTURE_PATH.exec(url.pathname)?.[1];

/** Whether a request carries what no link needs. */
export function leaks({ headers, url = '' }: Pick<IncomingMessage, 'headers' | 'url'>): boolean {
  return (
    headers.cookie !== undefined ||
    headers.referer !== undefined ||
    headers.authorization !== undefined ||
    /[?&]access_token=/.test(url)
  );
}
