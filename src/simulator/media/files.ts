/** The files that WeCom lets people send: a PDF, and two that look like an answer of WeCom and are none. */
import { paddingOf } from './padding.ts';

const PDF_HEAD = Buffer.from(
  '%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n',
  'latin1',
);
const PDF_TAIL = Buffer.from('\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n');
const NATURAL_BYTES = 20_000;

/** A PDF in name and magic, full of noise; of `sizeBytes` exactly where that is more than 20 kB. */
export function pdfOf(seed: number, sizeBytes = 0) {
  const noiseBytes = Math.max(NATURAL_BYTES + (seed % 10_000), sizeBytes - PDF_HEAD.length - PDF_TAIL.length);
  return {
    fileName: `季度报告-${seed}.pdf`,
    sizeBytes: PDF_HEAD.length + noiseBytes + PDF_TAIL.length,
    chunks: function* (): Generator<Buffer> {
      yield PDF_HEAD;
      yield* paddingOf(seed, noiseBytes);
      yield PDF_TAIL;
    },
  };
}

/** Files whose content could be taken for an errcode or for an error page; their disposition says what they are. */
export function smallFileOf(kind: 'jsonFile' | 'htmlFile', seed: number) {
  return kind === 'jsonFile'
    ? {
        contentType: 'application/json',
        extension: 'json',
        fileName: `answer-${seed}.json`,
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
