/** The `type` of a problem leads to its entry, on the server and in the documents. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Problem, problemBody } from '../../../../src/server/problem.ts';
import { PROBLEMS, type ProblemCode } from '../../../../src/server/problem-table.ts';
import { anchorsOf } from '../../../docs/page-shape.ts';
import { openTestServer, type TestServer } from '../../setup.ts';

const CODES = Object.keys(PROBLEMS) as ProblemCode[];

describe('the type of a problem', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  for (const language of ['en', 'zh'] as const) {
    it(`leads without a key to an entry for each code, in ${language}`, async () => {
      for (const code of CODES) {
        const { type, title } = problemBody(new Problem(code), language) as { type: string; title: string };
        const { pathname, hash } = new URL(type, s.url);
        const response = await s.call(pathname, { headers: { 'accept-language': language } });
        assert.equal(response.status, 200);
        const page = await response.text();
        const entry = page.split('<section ').find((part) => part.startsWith(`id="${hash.slice(1)}"`));
        assert.ok(entry, type);
        assert.ok(entry.includes(`${PROBLEMS[code].status} `), type);
        assert.equal(/\p{Script=Han}/u.test(title), language === 'zh', title);
        if (!/[<&]/.test(title)) assert.ok(entry.includes(title), type);
      }
    });
  }

  it('leads to an anchor of docs/problems.md and of its Chinese page, too', () => {
    for (const page of ['docs/problems.md', 'docs/zh/problems.md']) {
      const anchors = anchorsOf(readFileSync(new URL(`../../../../${page}`, import.meta.url), 'utf8'));
      for (const code of CODES) assert.ok(anchors.includes(code), `${page}#${code}`);
    }
  });

  it('is in the response to a request, and its page cannot load anything from elsewhere', async () => {
    const { type } = await s.json<{ type: string }>('/v1/media/m_0', { key: 'read' }, 400);
    assert.equal(type, '/docs/problems#invalid_request');
    const page = await s.call('/docs/problems');
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    for (const [, path] of (await page.text()).matchAll(/href="([^"]+)"/g))
      assert.equal((await s.call(path as string)).status, 200, path);
  });
});
