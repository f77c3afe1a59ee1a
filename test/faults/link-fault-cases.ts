/** Cases of video_url, its links, and redirects. */
import { always, BROKEN, type FaultCase, good, MIB, once, videoLink } from './fault-case.ts';

const LINK_FAILED = /^video_link_failed$/;

export const LINK_CASES: readonly FaultCase[] = [
  videoLink('videoUrl', 'the link works at once', { amount: 0 }),
  videoLink('videoUrl', '404 once: the link is requested again in the same attempt', { amount: 1 }),
  videoLink('videoUrlEscaped', 'escaped slashes are read', {}),
  always('videoUrlHtml', LINK_FAILED, 'always: a page never becomes an object', {
    kind: 'video',
    attempts: [2, 99],
  }),
  videoLink('videoUrlLate', '404 for a second: the link is requested again in the same attempt', {
    amount: 1_000,
  }),
  videoLink('videoUrlForbidden', '403 once: a new link in the same attempt', { amount: 1 }),
  videoLink('videoUrlForbidden', '403 twice: another attempt', { amount: 2, attempts: 2, code: LINK_FAILED }),
  videoLink('videoUrlShort', 'a vkey of a minute is long enough', { amount: 60_000 }),
  good(
    'videoUrlShort',
    'once already ended: media/get is called again and returns the video itself',
    { contentType: 'video/mp4' },
    { kind: 'video', amount: 0, times: 1 },
  ),
  always('videoUrlShort', LINK_FAILED, 'always already ended: never becomes an object', {
    kind: 'video',
    amount: 0,
    attempts: [2, 99],
  }),
  videoLink('videoUrlCut', 'once: another attempt', { amount: 1, attempts: 2, code: BROKEN }),
  videoLink('videoUrlCut', 'once, during an upload in parts: the next attempt archives it', {
    amount: 1,
    sizeBytes: 24 * MIB,
    attempts: 2,
    code: BROKEN,
  }),
  always('videoUrlRedirect', LINK_FAILED, 'always: not followed, never becomes an object', {
    kind: 'video',
    attempts: [2, 99],
  }),
  {
    fault: 'videoUrlForeignHost',
    note: 'no request is sent there',
    kind: 'video',
    becomes: 'dead',
    attempts: 1,
    code: /^address_refused$/,
  },
  {
    fault: 'videoUrlPrivate',
    note: 'no request is sent there',
    kind: 'video',
    becomes: 'dead',
    attempts: 1,
    code: /^address_refused$/,
  },
  once('redirect', /^http_refused$/, 'once: not followed, and attempted again'),
  {
    fault: 'redirect',
    note: 'always: not followed, dead after three attempts',
    becomes: 'dead',
    attempts: 3,
    code: /^http_refused$/,
  },
];
