/** What stands in the address of a page: filters, days of a time zone, and where a sign-in may lead. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pageAddress } from '../../../src/server/auth/page-address.ts';
import { createLocale, isKnownTimeZone, offsetOf } from '../../../src/server/dashboard/core/locale.ts';
import { apiQueryOf, isFiltered, viewOf } from '../../../src/server/dashboard/pages/media/filters.ts';

const view = (query: string) => viewOf(new URLSearchParams(query));

describe('the address to which a sign-in leads', () => {
  it('is a page of this server, with its query', () => {
    assert.equal(pageAddress('/media?q=%E5%90%88&view=list'), '/media?q=%E5%90%88&view=list');
    assert.equal(pageAddress('/media/m_0#x'), '/media/m_0');
  });

  for (const address of [
    '//evil.example/',
    '/\\evil.example/',
    '/\t/evil.example',
    'https://evil.example/',
    'javascript:alert(1)',
    '/login?ticket=x',
    '/logout',
    '/v1/media',
    '/preferences',
    'media',
    `/${'a'.repeat(3_000)}`,
    '',
    undefined,
  ])
    it(`is the overview for ${JSON.stringify(address)?.slice(0, 40)}`, () => {
      assert.equal(pageAddress(address), '/');
    });
});

describe('the filters of the media page', () => {
  const beijing = createLocale('en');

  it('become a query of the API, with whole days of the time zone', () => {
    assert.deepEqual(
      Object.fromEntries(
        Object.entries(
          apiQueryOf(view('kind=image&from=2026-11-24&to=2026-11-24&label=order%3D7'), beijing),
        ).filter(([, value]) => value !== undefined && value !== ''),
      ),
      {
        kind: 'image',
        sentFrom: '2026-11-24T00:00:00+08:00',
        sentTo: '2026-11-25T00:00:00+08:00',
        'label.order': '7',
      },
    );
  });

  it('follow the clock change of another zone', () => {
    const berlin = createLocale('en', 'Europe/Berlin');
    const { sentFrom, sentTo } = apiQueryOf(view('from=2026-03-28&to=2026-03-29'), berlin);
    assert.equal(sentFrom, '2026-03-28T00:00:00+01:00');
    assert.equal(sentTo, '2026-03-30T00:00:00+02:00');
  });

  it('ignore what is no kind, no status and no day', () => {
    assert.equal(isFiltered(view('kind=cat&status=gone&from=yesterday&to=2026-1-1')), false);
  });
});

describe('time zones', () => {
  it('are those that the machine knows, with their offset', () => {
    assert.ok(isKnownTimeZone('Asia/Shanghai'));
    assert.ok(!isKnownTimeZone('Mars/Olympus'));
    assert.ok(!isKnownTimeZone('<script>'));
    assert.equal(offsetOf('Asia/Kolkata', new Date('2026-01-01T00:00:00Z')), '+05:30');
    assert.equal(offsetOf('UTC', new Date('2026-01-01T00:00:00Z')), '+00:00');
  });

  it('are named in every exact time', () => {
    assert.match(createLocale('en').exact('2026-11-30T08:20:11Z'), /30 Nov 2026.*16:20:11.*GMT\+8/);
    assert.match(createLocale('zh').exact('2026-11-30T08:20:11Z'), /^2026\/11\/30 16:20:11 GMT\+8$/);
  });
});
