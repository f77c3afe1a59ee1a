/** Response faults: the right bytes under missing, unusual or wrong headers. */
import { type FaultContext, type FaultSpec, type HeaderChanges, serve } from './fault-context.ts';

/** The file under changed headers; undefined removes a header. */
const headers = (description: string, changes: (context: FaultContext) => HeaderChanges): FaultSpec => ({
  description,
  respond: (context) => {
    // Without a length, Node delimits the body by closing only if chunked encoding is off.
    context.response.removeHeader('Transfer-Encoding');
    return serve(context, changes(context));
  },
});

/** Node writes headers as latin1, and WeChat sends the bytes of UTF-8. */
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

/** A Content-disposition as reported in issues of other SDKs. */
const contentDisposition = (description: string, value: (extension: string) => string): FaultSpec =>
  headers(description, ({ content }) => ({ 'Content-disposition': value(content.extension) }));

export const HEADER_FAULTS = {
  noLength: headers('no length; the body ends with the connection', () => ({ 'Content-Length': undefined })),
  chunked: headers('no length; chunked', () => ({
    'Content-Length': undefined,
    'Transfer-Encoding': 'chunked',
  })),
  invalidLength: headers('a length that is not a number', () => ({ 'Content-Length': '12abc' })),
  wrongType: headers('the file as text/plain', () => ({ 'Content-Type': 'text/plain' })),
  noType: headers('no Content-Type', () => ({ 'Content-Type': undefined })),
  oddType: headers('the file as text/jpeg, which WeChat was seen to send', () => ({
    'Content-Type': 'text/jpeg',
  })),
  videoStream: headers('the file as a stream of video/mpeg4', () => ({ 'Content-Type': 'video/mpeg4' })),
  noContentDisposition: headers('no Content-disposition', () => ({ 'Content-disposition': undefined })),
  oddContentDisposition: contentDisposition(
    '`filename*` first and in lower case, `filename` as UTF-8 read as latin1',
    (extension) => {
      const name = `测试(一).${extension}`;
      return `attachment; filename*=utf-8''${encodeURIComponent(name)}; filename="${utf8(name)}"`;
    },
  ),
  noBaseName: contentDisposition(
    '`filename=".amr"`: only an extension (iOS)',
    (extension) => `attachment; filename=".${extension}"`,
  ),
  silkName: contentDisposition('a .silk name (Android)', () => 'attachment; filename="1586412345678.silk"'),
  noExtension: contentDisposition('`filename="voice"`', () => 'attachment; filename="voice"'),
  fullWidthName: contentDisposition(
    'full-width brackets in the name',
    (extension) => `attachment; filename="${utf8(`报告\uFF08终稿\uFF09【二】.${extension}`)}"`,
  ),
  pathTraversalName: contentDisposition(
    'a name with `../` in it',
    (extension) => `attachment; filename="../../../../tmp/%2e%2e%2fowned.${extension}"`,
  ),
  rangeIgnored: {
    description: 'the whole file with 200 although a Range was requested',
    respond: (context: FaultContext) => serve({ ...context, range: undefined }),
  },
  rangeWrong: headers('a Content-Range that begins one byte after the range sent', ({ range, content }) =>
    range ? { 'Content-Range': `bytes ${range.start + 1}-${range.end + 1}/${content.sizeBytes}` } : {},
  ),
} satisfies Record<string, FaultSpec>;
