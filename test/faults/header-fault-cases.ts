/** Cases of faults of the headers. */
import { always, type FaultCase, good, once } from './fault-case.ts';

export const HEADER_CASES: readonly FaultCase[] = [
  good('noLength', 'downloaded twice, and archived because both downloads agree', { lengthVerified: false }),
  good('chunked', 'archived, because the last chunk proves the length', {}, { kind: 'image' }),
  once('invalidLength', /^(network|malformed_answer)$/, 'once: the next attempt archives it'),
  always(
    'invalidLength',
    /^(network|malformed_answer)$/,
    'always: a file of unproven length is never archived',
  ),
  good(
    'wrongType',
    'the type comes from the first bytes',
    { contentType: 'image/jpeg', declaredType: 'text/plain' },
    { kind: 'image' },
  ),
  good(
    'noType',
    'the type comes from the first bytes',
    { contentType: 'image/jpeg', declaredType: undefined! },
    { kind: 'image' },
  ),
  good(
    'oddType',
    'the type comes from the first bytes',
    { contentType: 'image/jpeg', declaredType: 'text/jpeg' },
    { kind: 'image' },
  ),
  good(
    'videoStream',
    'a video that is streamed is archived',
    { contentType: 'video/mp4', declaredType: 'video/mpeg4' },
    { kind: 'video' },
  ),
  good('noContentDisposition', 'archived without a file name', { fileName: undefined! }),
  good('oddContentDisposition', 'the file name is read', { fileName: '测试(一).jpg' }, { kind: 'image' }),
  good('noBaseName', 'the file name is stored, and the object key does not contain it', { fileName: '.amr' }),
  good('silkName', 'the file name does not decide the type', {
    fileName: '1586412345678.silk',
    contentType: 'audio/amr',
  }),
  good('noExtension', 'the type comes from the first bytes', { fileName: 'voice', contentType: 'audio/amr' }),
  good(
    'fullWidthName',
    'the file name is read',
    { fileName: '报告\uFF08终稿\uFF09【二】.jpg' },
    { kind: 'image' },
  ),
  good('pathTraversalName', 'only the base name is stored', { fileName: '%2e%2e%2fowned.amr' }),
  good('rangeIgnored', 'no range was requested, so it is archived'),
  good('rangeWrong', 'no range was requested, so it is archived'),
];
