/** The filter of the pages that act is that of the list, and is never wider. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLocale } from '../../../src/server/dashboard/core/locale.ts';
import { chosenFilterOf, filterBodyOf } from '../../../src/server/dashboard/pages/acts/filter-body.ts';
import { FILTER_FIELDS } from '../../../src/server/dashboard/pages/media/filters.ts';
import { filterSchema } from '../../../src/server/routes/filter-body.ts';

const NOW = new Date('2026-11-30T08:00:00Z');
const bodyOf = (query: string, zone?: string) =>
  filterBodyOf(chosenFilterOf(new URLSearchParams(query)), createLocale('en', zone), NOW);

const VALUES: Readonly<Record<(typeof FILTER_FIELDS)[number], string>> = {
  q: '合同',
  account: 'shop',
  kind: 'image',
  status: 'dead',
  errcode: '40007',
  label: 'shop=4',
  from: '2026-11-01',
  to: '2026-11-02',
  due: '6h',
  dueFrom: '1h',
  openId: 'o-1',
  msgId: '7',
};

describe('the filter of an action', () => {
  it('has a value for each filter of the list, which the API accepts', () => {
    for (const field of FILTER_FIELDS) {
      const body = bodyOf(new URLSearchParams({ [field]: VALUES[field] }).toString());
      assert.equal(Object.keys(body).length, 1, field);
      const parsed = filterSchema.safeParse(body);
      assert.ok(parsed.success, `${field}: ${JSON.stringify(body)} ${parsed.error?.message}`);
    }
  });

  it('has days of the time zone of the page, the last one included', () => {
    assert.deepEqual(bodyOf('from=2026-11-01&to=2026-11-02'), {
      sentFrom: '2026-11-01T00:00:00+08:00',
      sentTo: '2026-11-03T00:00:00+08:00',
    });
    assert.deepEqual(bodyOf('from=2026-11-01', 'America/New_York'), {
      sentFrom: '2026-11-01T00:00:00-04:00',
    });
  });

  it('has the time of a deadline in place of a duration, and labels as pairs', () => {
    assert.deepEqual(bodyOf('due=6h&dueFrom=30m'), {
      expiresBefore: '2026-11-30T14:00:00.000Z',
      expiresFrom: '2026-11-30T08:30:00.000Z',
    });
    assert.deepEqual(bodyOf('label=shop%3D4'), { label: { shop: '4' } });
  });

  it('is refused by the API where the list leaves a value out that means nothing', () => {
    for (const query of [
      'label=shop',
      'errcode=abc',
      'due=soon',
      'dueFrom=soon',
      'kind=x',
      'status=x',
      'from=x',
      'to=2026-13-01',
    ]) {
      const body = bodyOf(query);
      assert.equal(Object.keys(body).length, 1, query);
      assert.ok(!filterSchema.safeParse(body).success, query);
    }
  });
});
