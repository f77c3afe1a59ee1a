import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFileName } from '../../../src/wechat/media/file-name.ts';

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

test('the forms of file names that WeChat sends are read', () => {
  const forms: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['attachment', undefined],
    ['attachment; filename="MEDIA_ID.jpg"', 'MEDIA_ID.jpg'],
    ['attachment; filename=MEDIA_ID.jpg', 'MEDIA_ID.jpg'],
    [`attachment; filename*=utf-8''%E6%B5%8B%E8%AF%95.xlsx; filename="${latin1('测试.xlsx')}"`, '测试.xlsx'],
    [`attachment; filename="${latin1('测试.xlsx')}"; filename*=UTF-8'zh'%E6%B5%8B.xlsx`, '测.xlsx'],
    [`attachment; filename="${latin1('测试.xlsx')}"`, '测试.xlsx'],
    ['attachment; filename="测试.xlsx"', '测试.xlsx'],
    [`attachment; filename="${latin1('合同（终稿）.pdf')}"`, '合同（终稿）.pdf'],
    ['attachment; filename="caf\xe9.jpg"', 'café.jpg'],
    ['attachment; filename=".amr"', '.amr'],
    ['filename=".amr"', '.amr'],
    ['attachment; filename="1586.silk"', '1586.silk'],
    ['attachment; filename="voice"', 'voice'],
    [`attachment; filename=${latin1('合同 （终稿）.pdf')}`, '合同 （终稿）.pdf'],
    ['attachment; filename="a \\"b\\".jpg"', 'a "b".jpg'],
    ['attachment; filename*=utf-8\'\'%E6%B; filename="plain.jpg"', 'plain.jpg'],
    ['attachment; filename*=gbk\'\'%B2%E2; filename="plain.jpg"', 'plain.jpg'],
  ];
  for (const [header, name] of forms) assert.equal(parseFileName(header), name, header);
});

test('a file name has no path, no invisible characters and a maximum length', () => {
  const name = (given: string) => parseFileName(`attachment; filename*=UTF-8''${encodeURIComponent(given)}`);
  assert.equal(name('../../etc/passwd'), 'passwd');
  assert.equal(name('C:\\windows\\a.jpg'), 'a.jpg');
  assert.equal(name('..'), undefined);
  assert.equal(name('a/'), undefined);
  assert.equal(name('a\r\nb\0c\u202egpj.exe'), 'abcgpj.exe');
  assert.equal(name(' \u200b '), undefined);
  const long = name(`${'测'.repeat(400)}.jpeg`)!;
  assert.equal([...long].length, 255);
  assert.ok(long.endsWith('测.jpeg'));
  assert.equal([...name('😀'.repeat(400))!].length, 255);
});

test('no Content-Disposition makes the parser throw', () => {
  for (const header of [
    ';;;',
    '=',
    'attachment; filename',
    'attachment; filename*=',
    '"',
    'a; b="',
    '\xff\xfe',
    'x'.repeat(20_000),
  ]) {
    parseFileName(header);
  }
});
