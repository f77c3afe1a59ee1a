/** The names inside a ZIP and the cells of its manifest, for hostile input. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryPathOf } from '../../../src/pipeline/export/entry-path.ts';
import { createManifest, csvCell } from '../../../src/pipeline/export/manifest.ts';

const ID = `m_${'0'.repeat(32)}`;
const pathOf = (account: string, objectKey = `a/${ID}.jpg`) =>
  entryPathOf({ id: ID, account, objectKey, sentAt: new Date('2026-05-01T23:59:59Z') });

test('a path is the account, the day and the id with the extension of the object', () => {
  assert.equal(pathOf('wx0000000000000001'), `wx0000000000000001/2026-05-01/${ID}.jpg`);
  assert.equal(pathOf('wwcorp-1000002'), `wwcorp-1000002/2026-05-01/${ID}.jpg`);
  for (const key of ['k', 'k.', 'k.JPG', 'k.a/b', 'k.exe ', `k.${'x'.repeat(9)}`, 'k.mp4/../../x'])
    assert.equal(pathOf('wx', key), `wx/2026-05-01/${ID}.bin`, key);
});

test('a folder cannot leave the ZIP, and has a name that every system accepts', () => {
  const accounts = [
    '..',
    '.',
    '../../etc',
    '/etc',
    'C:\\x',
    'a/b',
    'a\\b',
    '',
    'con',
    'CON.txt',
    'nul',
    'LPT1',
    'com9.x',
    'aux.',
    'trailing.',
    'trailing ',
    '-rf',
    '.hidden',
    '名字',
    'a\u202eb',
    'a\0b',
    'a:b',
    'a*?"<>|b',
    'manifest.csv',
    'Manifest.CSV',
  ];
  for (const account of accounts) {
    const [folder = '', ...rest] = pathOf(account).split('/');
    assert.deepEqual(rest, ['2026-05-01', `${ID}.jpg`], account);
    assert.match(folder, /^[A-Za-z0-9_][A-Za-z0-9._-]*$/, account);
    assert.doesNotMatch(folder, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|\.$|^manifest\.csv$/i, account);
  }
});

test('a cell that a spreadsheet would take for a formula is text', () => {
  for (const text of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    ' =1',
    '\u200b=1',
    '\ufeff=1',
    '＝1',
    '＋1',
    '－1',
    '＠x',
    '\tx',
  ])
    assert.match(csvCell(text), /^"'/, JSON.stringify(text));
  for (const text of ['a=1', '2026-05-01', '照片.jpg', 'm_0', '1-2'])
    assert.equal(csvCell(text), `"${text}"`);
  assert.equal(csvCell('a "quoted", text'), '"a ""quoted"", text"');
  assert.equal(csvCell('two\r\nlines\0'), '"two  lines "');
  assert.equal(csvCell('gpj.\u202eexe'), '"gpj.\\u202eexe"');
});

test('a manifest begins with the byte order mark and has a line for each item', () => {
  const manifest = createManifest();
  const at = new Date('2026-05-01T00:00:00Z');
  const row = { id: ID, account: 'wx', attempts: 1, createdAt: at, updatedAt: at } as const;
  manifest.add({ ...row, status: 'dead', kind: 'image', sentAt: at }, { failure: 'not archived' });
  for (let n = 0; n < 2_000; n++)
    manifest.add({ ...row, status: 'archived', fileName: '照片.jpg', sizeBytes: n }, { path: `wx/${n}` });
  const chunks = manifest.chunks();
  assert.ok(chunks.length > 1);
  const text = Buffer.concat(chunks).toString();
  assert.ok(
    text.startsWith('\ufeffid,account,kind,status,sentAt,sizeBytes,sha256,fileName,path,failure\r\n'),
  );
  const lines = text.trimEnd().split('\r\n');
  assert.equal(lines.length, 2_002);
  assert.equal(lines[1], `"${ID}","wx","image","dead","2026-05-01T00:00:00.000Z","","","","","not archived"`);
  assert.ok(lines.at(-1)?.endsWith('"1999","","照片.jpg","wx/1999",""'));
});
