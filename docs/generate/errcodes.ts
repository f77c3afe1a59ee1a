/** docs/errcodes.md, written from the table that the program itself goes by. */
import { FAILURES, type FailureClass } from '../../src/failures.ts';
import {
  type ErrcodeScope,
  MEANINGS,
  type Meaning,
  OTHER_MEANINGS,
} from '../../src/wechat/api/errcode-table.ts';

const CURES: Record<FailureClass, string> = {
  token:
    'the shared token is read again, and replaced only if it is still the one that failed; never by force',
  transient: 'three quick tries within 30 s, then spread over the life that is left',
  minute_limit: 'the account waits for the next minute; no try spent',
  day_quota: 'the account waits for midnight in Beijing; no try spent',
  account: 'the account waits as a whole and is probed every few minutes; no try spent',
  permanent_media: 'dead letter at once; pictures try their `picUrl` first',
  store: 'tried again; a refusal that a probe meets too holds all archiving',
  unknown: 'three tries, then a dead letter marked unknown',
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

Written from the table the program goes by: \`node bin/run.js docs/generate/main.ts\`. The same number can mean different things
by product and call; the closest row counts. A number that is not here has the class \`unknown\`.
`;

export function errcodesPage(): string {
  const classes = Object.entries(CURES) as [FailureClass, string][];
  return [
    INTRODUCTION,
    table(
      ['class', 'what is done'],
      classes.map(([name, cure]) => [`\`${name}\``, cure]),
    ),
    ...classes.map(([name]) => section(name)).filter((text) => text !== ''),
  ].join('\n');
}

function section(name: FailureClass): string {
  const coded = MEANINGS.filter((meaning) => meaning.class === name).flatMap((meaning) =>
    meaning.scopes.map((place) => row(meaning, place)),
  );
  const others = OTHER_MEANINGS.filter((meaning) => meaning.class === name).map((meaning) => row(meaning));
  const ground = Object.entries(FAILURES)
    .filter(([, failure]) => failure.class === name)
    .map(([code, failure]) => row({ code, ...failure, scopes: [] }));
  const head = ['errcode', 'product', 'call', 'code', 'what happened', 'what to do'];
  return `## \`${name}\`\n\n${table(head, [...coded, ...others, ...ground])}`;
}

function row({ code, message, advice }: Meaning, place?: ErrcodeScope): string[] {
  return [
    place
      ? place.errcodes.map((one) => (typeof one === 'number' ? `${one}` : `${one[0]}–${one[1]}`)).join(' ')
      : '–',
    place ? PRODUCTS[place.product] : '–',
    place ? ENDPOINTS[place.endpoint] : '–',
    `\`${code}\``,
    `${message.en}<br>${message.zh}`,
    `${advice.en}<br>${advice.zh}`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`;
}
