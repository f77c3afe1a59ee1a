/** Files as people send them at WeCom: a PDF, and two that look like an error response of WeCom. */
import { paddingOf } from './padding.ts';

const PDF_HEAD = Buffer.from(
  '%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n',
  'latin1',
);
const PDF_TAIL = Buffer.from('\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n');
const BODY_BYTES_MIN = 20_000;

/** Returns a PDF by name and magic bytes only, of 20 to 30 kB, or of exactly `sizeBytes` where that is larger. */
export function pdfOf(seed: number, sizeBytes = 0) {
  const bodyBytes = Math.max(BODY_BYTES_MIN + (seed % 10_000), sizeBytes - PDF_HEAD.length - PDF_TAIL.length);
  return {
    fileName: `季度报告-${seed}.pdf`,
    sizeBytes: PDF_HEAD.length + bodyBytes + PDF_TAIL.length,
    chunks: function* (): Generator<Buffer> {
      yield PDF_HEAD;
      yield* paddingOf(seed, bodyBytes);
      yield PDF_TAIL;
    },
  };
}

/** Returns a file whose content looks like an errcode or an error page; its Content-disposition shows that it is none. */
export function smallFileOf(kind: 'jsonFile' | 'htmlFile', seed: number) {
  return kind === 'jsonFile'
    ? {
        contentType: 'application/json',
        extension: 'json',
        fileName: `response-${seed}.json`,
        bytes: Buffer.from(`{"errcode":40007,"errmsg":"saved by a user, and no error of ours: ${seed}"}`),
      }
    : {
        contentType: 'text/html',
        extension: 'html',
        fileName: `网页-${seed}.html`,
        bytes: Buffer.from(
          `<!DOCTYPE html><html><body><h1>A page that a user sent: ${seed}</h1></body></html>`,
        ),
      };
}
