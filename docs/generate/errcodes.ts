/** Generates docs/errcodes.md from the errcode table. */
import { FAILURES, type FailureClass } from '../../src/failures.ts';
import type { Language } from '../../src/server/problem.ts';
import type { ErrcodeScope, Meaning } from '../../src/wechat/api/errcode-rows/meaning.ts';
import { MEANINGS, OTHER_MEANINGS } from '../../src/wechat/api/errcode-table.ts';

const CURES: Record<FailureClass, string> = {
  token:
    'the stored token is read again, and replaced only if it is still the one that failed; never with force_refresh',
  transient: 'three quick attempts within 30 s, then attempts spread over the time left',
  minute_limit: 'the account waits for the next minute; no attempt is spent',
  day_quota: 'the account is held until midnight in Beijing; no attempt is spent',
  account: 'the account is held and probed every few minutes; no attempt is spent',
  permanent_media: 'dead letter at once; for images the `picUrl` is tried before that',
  store: 'retried; if a probe of the store fails with the same error, all archiving is held',
  unknown: 'three attempts, then a dead letter marked unknown',
};

const PRODUCTS: Record<ErrcodeScope['product'], string> = {
  any: 'all',
  official: 'official, mini program',
  wecom: 'WeCom',
};
const ENDPOINTS: Record<ErrcodeScope['endpoint'], string> = {
  any: 'all',
  media_get: 'media/get',
  token: 'token calls',
  quota: 'quota API',
  sync_msg: 'kf/sync_msg',
};

const INTRODUCTION = `# Failures and cures

[中文](zh/errcodes.md)

Generated from the table that the program uses, by \`node bin/run.js docs/generate/main.ts\`. The meaning of a number
depends on the product and the call; the most specific row counts. A number that is not in the table has the class
\`unknown\`.

**Item gone**: WeChat reports that it does not have the item. Before the item's deadline the media id is wrong and the
item is \`dead\`; at or after the deadline it is \`expired\`. In both cases the bucket is searched first, because an
earlier attempt may have stored the object.
`;

/** Returns the page. With `zh` only the texts of the program are Chinese; see zh/translate.ts for the others. */
export function errcodesPage(language: Language): string {
  const classes = Object.entries(CURES) as [FailureClass, string][];
  return [
    INTRODUCTION,
    table(
      ['class', 'what is done'],
      classes.map(([name, cure]) => [`\`${name}\``, cure]),
    ),
    ...classes.map(([name]) => section(name, language)).filter((text) => text !== ''),
  ].join('\n');
}

function section(name: FailureClass, language: Language): string {
  const coded = MEANINGS.filter((meaning) => meaning.class === name).flatMap((meaning) =>
    meaning.scopes.map((scope) => row(language, meaning, scope)),
  );
  const others = OTHER_MEANINGS.filter((meaning) => meaning.class === name).map((meaning) =>
    row(language, meaning),
  );
  const general = Object.entries(FAILURES)
    .filter(([, failure]) => failure.class === name)
    .map(([code, failure]) => row(language, { code, ...failure, scopes: [], isMediaGone: false }));
  const head = ['errcode', 'product', 'call', 'code', 'what happened', 'what to do'];
  return `## \`${name}\`\n\n${table(head, [...coded, ...others, ...general])}`;
}

function row(
  language: Language,
  { code, message, advice, isMediaGone }: Meaning,
  scope?: ErrcodeScope,
): string[] {
  return [
    scope
      ? scope.errcodes.map((one) => (typeof one === 'number' ? `${one}` : `${one[0]}–${one[1]}`)).join(' ')
      : '–',
    scope ? PRODUCTS[scope.product] : '–',
    scope ? ENDPOINTS[scope.endpoint] : '–',
    `\`${code}\`${isMediaGone ? ' (item gone)' : ''}`,
    message[language],
    advice[language],
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`;
}
