/** Misbehaviour: the right bytes under missing, odd or lying headers. */
import { type Exchange, type Row, serve } from './fault-context.ts';

/** The good file, headers changed; undefined takes one away. */
const changed = (
  says: string,
  headers: (exchange: Exchange) => Record<string, string | number | undefined>,
): Row => ({
  says,
  play: (exchange) => {
    // Without a length Node then delimits the body by closing, unless told to send it in chunks.
    exchange.response.removeHeader('Transfer-Encoding');
    return serve(exchange, headers(exchange));
  },
});

/** Node writes headers as latin1; WeChat sends the bytes of UTF-8. */
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

/** A Content-disposition as it was met, in issues of other SDKs for the most part. */
const named = (says: string, value: (extension: string) => string): Row =>
  changed(says, ({ content }) => ({ 'Content-disposition': value(content.extension) }));

export const HEADER_ROWS = {
  noLength: changed('no length; the body ends with the connection', () => ({ 'Content-Length': undefined })),
  chunked: changed('no length; chunked', () => ({
    'Content-Length': undefined,
    'Transfer-Encoding': 'chunked',
  })),
  garbledLength: changed('a length that is no number', () => ({ 'Content-Length': '12abc' })),
  lyingType: changed('the file as text/plain', () => ({ 'Content-Type': 'text/plain' })),
  noType: changed('no Content-Type', () => ({ 'Content-Type': undefined })),
  oddType: changed('the file as text/jpeg, as was met once', () => ({ 'Content-Type': 'text/jpeg' })),
  videoStream: changed('the file as a stream of video/mpeg4', () => ({ 'Content-Type': 'video/mpeg4' })),
  noDisposition: changed('no Content-disposition', () => ({ 'Content-disposition': undefined })),
  oddDisposition: named('`filename*` first and in lower case, `filename` as UTF-8 read as latin1', (ext) => {
    const name = `测试(一).${ext}`;
    return `attachment; filename*=utf-8''${encodeURIComponent(name)}; filename="${utf8(name)}"`;
  }),
  noBaseName: named('`filename=".amr"`: an extension alone (iOS)', (ext) => `attachment; filename=".${ext}"`),
  silkName: named('a .silk name (Android)', () => 'attachment; filename="1586412345678.silk"'),
  noExtension: named('`filename="voice"`', () => 'attachment; filename="voice"'),
  wideBrackets: named(
    'full-width brackets in the name',
    (ext) => `attachment; filename="${utf8(`报告\uFF08终稿\uFF09【二】.${ext}`)}"`,
  ),
  hostileName: named(
    'a name that climbs out of its folder',
    (ext) => `attachment; filename="../../../../tmp/%2e%2e%2fowned.${ext}"`,
  ),
  rangeIgnored: {
    says: 'the whole file with 200 although a Range was asked for',
    play: (exchange: Exchange) => serve({ ...exchange, range: undefined }),
  },
  rangeWrong: changed('a Content-Range that begins one byte later than the piece', ({ range, content }) =>
    range ? { 'Content-Range': `bytes ${range.start + 1}-${range.end + 1}/${content.sizeBytes}` } : {},
  ),
} satisfies Record<string, Row>;
