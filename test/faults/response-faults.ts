/** What must be true after each way in which an answer of media/get goes wrong. One row, one test on every shape. */
import type { MediaRow } from '../../src/catalogue/media/row.ts';
import type { ResponseFaultName, SimulatedKind } from '../../src/simulator/media/media-id.ts';

export interface FaultCase {
  readonly fault: ResponseFaultName;
  /** What tells rows of one behaviour apart; the test is named so. */
  readonly note: string;
  /** How many tries see it; 0: all. */
  readonly times?: number;
  readonly amount?: number;
  /** Default: a voice, the smallest file. */
  readonly kind?: SimulatedKind;
  readonly sizeBytes?: number;
  /** Its three days end within seconds, so that what never ends is seen to end. */
  readonly late?: true;
  /** In an account of its own, because the account as a whole will have to wait. */
  readonly alone?: true;
  /** In an account of WeCom. */
  readonly wecom?: true;
  readonly becomes: 'archived' | 'dead' | 'expired';
  /** Default: 1 where nothing fails, else 2; at least 2 for what expires. */
  readonly tries?: number | readonly [atLeast: number, atMost: number];
  /** Of every try that failed while the media was alive. */
  readonly code?: RegExp;
  /** Of the row's failure. */
  readonly errcode?: number;
  /** What the row says beside it. */
  readonly is?: Partial<MediaRow>;
}

const MIB = 1024 * 1024;
/** Which of the two ends of a connection is noticed first is the machine's choice. */
const BROKEN = /^(network|body_too_short)$/;

type More = Omit<FaultCase, 'fault' | 'note' | 'becomes'>;
const good = (
  fault: ResponseFaultName,
  note: string,
  is: Partial<MediaRow> = {},
  more: More = {},
): FaultCase => ({
  fault,
  note,
  becomes: 'archived',
  is: { source: 'media_get', lengthVerified: true, ...is },
  ...more,
});
/** Spoils the first try; the second is good. */
const once = (fault: ResponseFaultName, code: RegExp, note: string, more: More = {}): FaultCase => ({
  fault,
  note,
  times: 1,
  becomes: 'archived',
  code,
  ...more,
});
/** Spoils every try: no object, and the media expires by name. */
const always = (fault: ResponseFaultName, code: RegExp, note: string, more: More = {}): FaultCase => ({
  fault,
  note,
  late: true,
  becomes: 'expired',
  code,
  ...more,
});
const dead = (
  fault: ResponseFaultName,
  errcode: number,
  code: RegExp,
  note: string,
  more: More = {},
): FaultCase => ({
  fault,
  note,
  becomes: 'dead',
  tries: 1,
  amount: errcode,
  errcode,
  code,
  ...more,
});
const link = (fault: ResponseFaultName, note: string, more: More): FaultCase =>
  good(fault, note, { source: 'video_url', contentType: 'video/mp4' }, { kind: 'video', ...more });

const GONE = /^invalid_media_id$/;
const LINK_FAILED = /^video_link_failed$/;

const FILES: readonly FaultCase[] = [
  good('none', 'a picture', { contentType: 'image/jpeg', declaredType: 'image/jpeg' }, { kind: 'image' }),
  good('none', 'a thumb', { contentType: 'image/jpeg' }, { kind: 'thumb' }),
  good(
    'none',
    'a large video, in parts',
    { contentType: 'video/mp4' },
    { kind: 'video', sizeBytes: 24 * MIB },
  ),
  good('none', 'a voice of 16 kHz', {}, { kind: 'voice16k' }),
  good('none', 'SILK under the name of AMR: the first bytes are believed', {}, { kind: 'silkVoice' }),
  good('none', 'the better form of a JS-SDK voice', { source: 'jssdk' }, { kind: 'jssdkVoice' }),
];

const BODIES: readonly FaultCase[] = [
  once('shortBody', /^body_too_short$/, 'once: the next try has it whole'),
  once('shortBody', /^body_too_short$/, 'in the middle of an upload in parts', {
    kind: 'video',
    sizeBytes: 24 * MIB,
  }),
  always('shortBody', /^body_too_short$/, 'always: half a file never becomes an object'),
  once('reset', BROKEN, 'once: the next try has it whole'),
  once('reset', BROKEN, 'in the middle of an upload in parts', { kind: 'video', sizeBytes: 24 * MIB }),
  once('cutChunked', BROKEN, 'once: a missing last chunk is a cut'),
  always('cutChunked', BROKEN, 'always: half a file never becomes an object'),
  once('stall', /^timeout$/, 'until we leave: the idle timeout ends it'),
  once('stall', BROKEN, 'for a moment, then an end: a cut', { amount: 100 }),
  always('stall', /^timeout$/, 'always: it expires, and holds nobody up'),
  once('stall', /^timeout$/, 'in the middle of an upload in parts', { kind: 'video', sizeBytes: 24 * MIB }),
  once('closedAtOnce', /^network$/, 'once: the next try has it'),
  once('resetAtOnce', /^network$/, 'once: the next try has it'),
  once('noResponse', /^timeout$/, 'until we leave: the idle timeout ends it'),
  once('noResponse', /^network$/, 'for a moment, then an end', { amount: 100 }),
  good('slow', 'shorter than the idle timeout: waited for', {}, { amount: 300 }),
  good('trickle', 'longer in all than the idle timeout, no pause as long: waited for', {}, { amount: 220 }),
  once('emptyBody', /^body_empty$/, 'once: nothing is no file'),
  once('emptyBody', /^body_empty$/, 'once, of a video', { kind: 'video' }),
  once('html200', /^body_not_media$/, 'once: a page is no voice'),
  always('html200', /^body_not_media$/, 'always: a page never becomes an object', { kind: 'image' }),
  once('http502', /^http_status$/, 'once: the next try has it'),
  once('httpStatus', /^http_status$/, '500 is trouble that passes', { amount: 500 }),
  once('httpStatus', /^http_refused$/, '403 is not understood, and tried again', { amount: 403 }),
  {
    ...dead('httpStatus', 404, /^http_refused$/, '404 for ever: three tries'),
    tries: 3,
    errcode: undefined!,
  },
  once('httpStatus', /^http_busy$/, '429 waits for the next minute, and costs no try', {
    amount: 429,
    alone: true,
    tries: 1,
  }),
  once('httpStatus', /^http_busy$/, '503 waits for the next minute, and costs no try', {
    amount: 503,
    alone: true,
    tries: 1,
  }),
  once('gzip', /^body_encoded$/, 'once: what was not asked for is not kept', { kind: 'image' }),
  always('gzip', /^body_encoded$/, 'always: compressed bytes never become an object'),
  once('lengthTooLarge', /^body_too_short$/, 'once: the file is not believed whole'),
  always('lengthTooLarge', /^body_too_short$/, 'always: what cannot be proven whole is not stored'),
  once('longBody', /^body_too_long$/, 'once: the bytes beyond the length spoil nothing', { tries: [1, 2] }),
  once('lengthTooSmall', /^body_too_long$/, 'once: the announced part is not taken for the file'),
  always('lengthTooSmall', /^body_too_long$/, 'always: a file cut by its own length never becomes an object'),
];

const HEADERS: readonly FaultCase[] = [
  good('noLength', 'fetched twice, and stored where both agree', { lengthVerified: false }),
  good('chunked', 'stored, its last chunk being the proof', {}, { kind: 'image' }),
  once('invalidLength', /^(network|malformed_answer)$/, 'once: the next try has it'),
  always(
    'invalidLength',
    /^(network|malformed_answer)$/,
    'always: what cannot be proven whole is not stored',
  ),
  good(
    'wrongType',
    'the first bytes are believed',
    { contentType: 'image/jpeg', declaredType: 'text/plain' },
    { kind: 'image' },
  ),
  good(
    'noType',
    'the first bytes are believed',
    { contentType: 'image/jpeg', declaredType: undefined! },
    { kind: 'image' },
  ),
  good(
    'oddType',
    'the first bytes are believed',
    { contentType: 'image/jpeg', declaredType: 'text/jpeg' },
    { kind: 'image' },
  ),
  good(
    'videoStream',
    'a video that comes as itself',
    { contentType: 'video/mp4', declaredType: 'video/mpeg4' },
    { kind: 'video' },
  ),
  good('noDisposition', 'stored without a name', { fileName: undefined! }),
  good('oddDisposition', 'the name is read', { fileName: '测试(一).jpg' }, { kind: 'image' }),
  good('noBaseName', 'the name is kept for people, the key is ours', { fileName: '.amr' }),
  good('silkName', 'the name does not decide the type', {
    fileName: '1586412345678.silk',
    contentType: 'audio/amr',
  }),
  good('noExtension', 'the first bytes give one', { fileName: 'voice', contentType: 'audio/amr' }),
  good(
    'fullWidthName',
    'the name is read',
    { fileName: '报告\uFF08终稿\uFF09【二】.jpg' },
    { kind: 'image' },
  ),
  good('pathTraversalName', 'no part of it is a path', { fileName: '%2e%2e%2fowned.amr' }),
  good('rangeIgnored', 'no range was asked for'),
  good('rangeWrong', 'no range was asked for'),
];

const REFUSALS: readonly FaultCase[] = [
  { ...dead('invalid', 40007, GONE, 'dead at once, in WeChat’s words'), amount: 0 },
  dead('errcode', 40007, GONE, 'as application/json with encoding='),
  dead('errcode', 123_456, /^unknown_errcode$/, 'unknown: three tries, then dead as unknown', { tries: 3 }),
  dead('errcodeAsText', 40007, GONE, 'is read'),
  dead('errcodeAsString', 40007, GONE, 'is read as a number'),
  dead('errcodeWithControlCharacters', 40007, GONE, 'is read all the same'),
  dead('errcodeInBaseResp', 40007, GONE, 'is read'),
  dead('errcodeAfterBom', 40007, GONE, 'is read'),
  once('errcodeZero', /^ok_without_media$/, 'once: neither an error nor a file'),
  always('errcodeZero', /^ok_without_media$/, 'always: it never becomes an object', { kind: 'image' }),
  once('systemBusy', /^system_busy$/, 'twice: the third try has it', { times: 2, tries: 3 }),
  always('systemBusy', /^system_busy$/, 'always: tried as long as it lives'),
  once('tokenRefused', /^access_token_invalid$/, 'once with a good token: the same token again', {
    alone: true,
    tries: [1, 3],
  }),
  once('tokenExpired', /^access_token_(invalid|expired)$/, 'once with a good token: the same token again', {
    alone: true,
    tries: [1, 3],
  }),
  {
    fault: 'busyThenInvalid',
    note: 'before its end: a wrong id, dead',
    amount: 2,
    becomes: 'dead',
    tries: 3,
    errcode: 40007,
    code: /^(system_busy|invalid_media_id)$/,
  },
  {
    ...always(
      'systemBusy',
      /^system_busy$/,
      'and 40007 after its end, in the middle of the retries: expired',
    ),
    errcode: 40007,
  },
];

const LINKS: readonly FaultCase[] = [
  link('videoUrl', 'the link works at once', { amount: 0 }),
  link('videoUrl', 'missing right after: one more look, in the same try', { amount: 1 }),
  link('videoUrlEscaped', 'escaped slashes are slashes', {}),
  always('videoUrlHtml', LINK_FAILED, 'always: a page never becomes an object', {
    kind: 'video',
    tries: [2, 99],
  }),
  link('videoUrlLate', 'missing for a while: one more look, in the same try', { amount: 1_000 }),
  link('videoUrlForbidden', 'a fresh link, in the same try', { amount: 1 }),
  link('videoUrlForbidden', 'the fresh link too: another try', { amount: 2, tries: 2, code: LINK_FAILED }),
  link('videoUrlShort', 'long enough', { amount: 60_000 }),
  good(
    'videoUrlShort',
    'ended already: asked again, which gives the video itself',
    { contentType: 'video/mp4' },
    { kind: 'video', amount: 0, times: 1 },
  ),
  always('videoUrlShort', LINK_FAILED, 'ended whenever it is looked at: no object', {
    kind: 'video',
    amount: 0,
    tries: [2, 99],
  }),
  link('videoUrlCut', 'another try', { amount: 1, tries: 2, code: BROKEN }),
  link('videoUrlCut', 'in the middle of an upload in parts', {
    amount: 1,
    sizeBytes: 24 * MIB,
    tries: 2,
    code: BROKEN,
  }),
  always('videoUrlRedirect', LINK_FAILED, 'is not followed', { kind: 'video', tries: [2, 99] }),
  {
    fault: 'videoUrlForeignHost',
    note: 'is not asked',
    kind: 'video',
    becomes: 'dead',
    tries: 1,
    code: /^address_refused$/,
  },
  {
    fault: 'videoUrlPrivate',
    note: 'is not asked',
    kind: 'video',
    becomes: 'dead',
    tries: 1,
    code: /^address_refused$/,
  },
  once('redirect', /^http_refused$/, 'once: not followed, and tried again'),
  {
    fault: 'redirect',
    note: 'always: not followed, three tries',
    becomes: 'dead',
    tries: 3,
    code: /^http_refused$/,
  },
];

const NOT_MEDIA = /^body_not_media$/;
const FILE = { wecom: true, kind: 'file' } as const;
const TEXTS: readonly FaultCase[] = [
  once('textBody', NOT_MEDIA, 'once: a text is no voice'),
  ...Array.from({ length: 9 }, (_, amount) =>
    once('textBody', NOT_MEDIA, `once: a text of the form ${amount} is no file of WeCom`, {
      ...FILE,
      amount,
    }),
  ),
  always('textBody', NOT_MEDIA, 'always: a text never becomes an object', { ...FILE, amount: 3 }),
  once('html200', NOT_MEDIA, 'once: a page is no file of WeCom', FILE),
  once('html200', NOT_MEDIA, 'once: a page is no HTML of a user', { wecom: true, kind: 'htmlFile' }),
  once('truncatedErrcode', NOT_MEDIA, 'once: half an error is no file of WeCom', FILE),
  once('truncatedErrcode', NOT_MEDIA, 'once: half an error is no picture', { kind: 'image' }),
  always('truncatedErrcode', NOT_MEDIA, 'always: half an error never becomes an object', {
    wecom: true,
    kind: 'jsonFile',
  }),
  once('errcodeZero', /^ok_without_media$/, 'once: neither an error nor a file of WeCom', FILE),
];

/** Too large to be sent in one piece: 830002 first, then pieces; each request is one more that sees the behaviour. */
const LARGE = { wecom: true, kind: 'video', sizeBytes: 22 * MIB } as const;
const WECOM: readonly FaultCase[] = [
  good('none', 'WeCom, a file', {}, { wecom: true, kind: 'file' }),
  good('none', 'WeCom, a file that is JSON itself', {}, { wecom: true, kind: 'jsonFile' }),
  good('none', 'WeCom, a file that is HTML itself', {}, { wecom: true, kind: 'htmlFile' }),
  good('none', 'WeCom, a large video in ranges', {}, LARGE),
  good('rangeIgnored', 'WeCom, the whole is as good', {}, LARGE),
  once('rangeWrong', /^malformed_answer$/, 'WeCom, once: another piece than asked for is not stored', {
    ...LARGE,
    times: 2,
  }),
  always('rangeWrong', /^malformed_answer$/, 'WeCom, always: wrong pieces never become an object', LARGE),
  once('shortBody', /^body_too_short$/, 'WeCom, in the first range', { ...LARGE, times: 2 }),
  once('htmlAsRange', NOT_MEDIA, 'WeCom, once: a page is no piece', { ...LARGE, times: 3 }),
  dead('errcode', 40007, GONE, 'WeCom, dead at once', { wecom: true }),
  once('systemBusy', /^system_busy$/, 'WeCom, once', { wecom: true }),
];

export const FAULT_CASES: readonly FaultCase[] = [
  ...FILES,
  ...BODIES,
  ...HEADERS,
  ...REFUSALS,
  ...LINKS,
  ...TEXTS,
  ...WECOM,
];

export const caseName = ({ fault, note }: FaultCase): string => `${fault}: ${note}`;
