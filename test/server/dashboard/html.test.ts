/** The template of the dashboard's pages: nothing from outside becomes markup or changes the order of what is read. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { attributes, html, outside, visible } from '../../../src/server/dashboard/core/html.ts';

const HOSTILE = `"><script>alert('x')</script>&`;

describe('the HTML template', () => {
  it('escapes texts, and keeps markup of its own', () => {
    const inner = html`<b>${HOSTILE}</b>`;
    assert.equal(
      html`<p title="${HOSTILE}">${inner}</p>`.text,
      '<p title="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"><b>&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</b></p>',
    );
  });

  it('escapes an object that only looks like markup', () => {
    const forged = { text: '<b>', toString: () => '<b>' } as unknown as string;
    assert.equal(html`${forged}`.text, '&lt;b&gt;');
  });

  it('leaves out what is absent, and shows 0 and empty lists as they are', () => {
    assert.equal(html`${undefined}${null}${false}|${0}|${[]}|${['a', html`<i>b</i>`]}`.text, '|0||a<i>b</i>');
  });

  it('writes attributes: true without a value, absent ones not at all', () => {
    const written = attributes({ open: true, hidden: false, title: '"', class: undefined, rows: 0 });
    assert.equal(written.text, ' open title="&quot;" rows="0"');
  });
});

describe('text from outside', () => {
  it('is isolated, and its invisible characters are shown by their names', () => {
    assert.equal(
      outside('a\u202Egpj.exe\u0000\u200B').text,
      '<bdi>a<span class="escape">U+202E</span>gpj.exe<span class="escape">U+0000</span><span class="escape">U+200B</span></bdi>',
    );
    assert.equal(visible('a\u2066b'), 'a[U+2066]b');
  });

  it('keeps the joiners of emoji', () => {
    const family = '👨‍👩‍👧';
    assert.equal(outside(family).text, `<bdi>${family}</bdi>`);
    assert.equal(visible(family), family);
  });

  it('shows a lone surrogate by its number', () => {
    assert.equal(outside('x\uD83D').text, '<bdi>x<span class="escape">U+D83D</span></bdi>');
  });
});
