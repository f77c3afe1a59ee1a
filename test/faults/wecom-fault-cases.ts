/** Cases of texts in place of a file, and of WeCom. */
import { always, dead, type FaultCase, good, INVALID_MEDIA_ID, MIB, NOT_MEDIA, once } from './fault-case.ts';

const FILE = { wecom: true, kind: 'file' } as const;

export const TEXT_CASES: readonly FaultCase[] = [
  once('textBody', NOT_MEDIA, 'once: a text is not archived as a voice'),
  ...Array.from({ length: 9 }, (_, amount) =>
    once('textBody', NOT_MEDIA, `once, text ${amount}: not archived as a file of WeCom`, {
      ...FILE,
      amount,
    }),
  ),
  always('textBody', NOT_MEDIA, 'always, text 3: never becomes a file of WeCom', { ...FILE, amount: 3 }),
  once('html200', NOT_MEDIA, 'once: a page is not archived as a file of WeCom', FILE),
  once('html200', NOT_MEDIA, 'once: an error page is not archived as a user’s HTML file', {
    wecom: true,
    kind: 'htmlFile',
  }),
  once('truncatedErrcode', NOT_MEDIA, 'once: half an error is not archived as a file of WeCom', FILE),
  once('truncatedErrcode', NOT_MEDIA, 'once: half an error is not archived as a picture', { kind: 'image' }),
  always('truncatedErrcode', NOT_MEDIA, 'always: half an error never becomes an object', {
    wecom: true,
    kind: 'jsonFile',
  }),
  once('errcodeZero', /^ok_without_media$/, 'once: neither an error nor a file of WeCom', FILE),
];

/** Needs ranges: the first request gets 830002, and each further request counts as one more that sees the fault. */
const LARGE = { wecom: true, kind: 'video', sizeBytes: 22 * MIB } as const;

export const WECOM_CASES: readonly FaultCase[] = [
  good('none', 'a file of WeCom is archived', {}, { wecom: true, kind: 'file' }),
  good('none', 'a JSON file of WeCom is archived', {}, { wecom: true, kind: 'jsonFile' }),
  good('none', 'an HTML file of WeCom is archived', {}, { wecom: true, kind: 'htmlFile' }),
  good('none', 'a large video of WeCom is archived in ranges', {}, LARGE),
  good('rangeIgnored', 'a large video of WeCom is archived from the whole response', {}, LARGE),
  once('rangeWrong', /^malformed_answer$/, 'once at WeCom: a wrong range is not archived', {
    ...LARGE,
    times: 2,
  }),
  always('rangeWrong', /^malformed_answer$/, 'always at WeCom: wrong ranges never become an object', LARGE),
  once('shortBody', /^body_too_short$/, 'once at WeCom, in the first range: the next attempt archives it', {
    ...LARGE,
    times: 2,
  }),
  once('htmlAsRange', NOT_MEDIA, 'once at WeCom: a page is not archived as a range', { ...LARGE, times: 3 }),
  dead('errcode', 40007, INVALID_MEDIA_ID, 'at WeCom: dead after one attempt', { wecom: true }),
  once('systemBusy', /^system_busy$/, 'once at WeCom: the next attempt archives it', { wecom: true }),
];
