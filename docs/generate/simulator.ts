/** docs/simulator.md, written from the tables that the simulator itself plays by. */
import { ADMIN_ROUTES } from '../../src/simulator/admin-routes.ts';
import { DELIVERIES, type DeliveryRow } from '../../src/simulator/callbacks/delivery-patterns.ts';
import { TROUBLES, type TroubleRow } from '../../src/simulator/faults/account-fault-table.ts';
import type { Row } from '../../src/simulator/faults/fault-context.ts';
import { BEHAVIOURS } from '../../src/simulator/faults/response-faults.ts';

const INTRODUCTION = `# The simulated WeChat

A pretend WeChat on a real socket, to try the service against and to test it. \`npm start\` and \`npm run demo\` bring it
along where no account is configured. By itself, with an official account, a mini program, a WeCom app and a third-party
platform:

\`\`\`sh
npm run simulator -- --port 9700 --accounts-file accounts.json
\`\`\`

It listens on 127.0.0.1 alone and prints what the service wants: \`WECHAT_API_BASE_URL\`,
\`WECOM_API_BASE_URL\`, \`WECHAT_VIDEO_BASE_URL\`,
\`FETCH_ALLOW_HOSTS\`, and the accounts. \`--send-to http://127.0.0.1:8080\` sends messages to a service for ever;
\`--time-scale\` must be the service's \`TIME_SCALE\`. Media ids carry all that is needed to make their files again, so they
outlive a restart; quotas, troubles and the messages of customer service do not.

What it answers as WeChat: \`/cgi-bin/token\`, \`stable_token\`, \`media/get\`, \`media/get/jssdk\`, \`openapi/quota/get\` and
\`clear\`, \`clear_quota\` and its \`v2\`; as a third-party platform's: \`component/api_component_token\`,
\`api_authorizer_token\` (a new refresh token each time, 61023 for an old one), \`api_get_authorizer_info\`; as WeCom, at
the same address: \`gettoken\`, \`media/get\` with \`Range\`, \`kf/sync_msg\`. Video links and PicUrls lead to itself.

\`\`\`sh
curl -d '{"account":"wx5101a7ed00000000","name":"dayQuota","amount":10}' http://127.0.0.1:9700/__simulator/trouble
\`\`\`
`;

const NO_AMOUNT = '–';

/** The whole page. */
export function simulatorPage(): string {
  const behaviours = Object.entries<Row>(BEHAVIOURS).map(([name, { says, amount, early }]) => [
    `\`${name}\``,
    says,
    amount ?? NO_AMOUNT,
    early ? 'any' : 'known',
  ]);
  const troubles = Object.entries<TroubleRow>(TROUBLES).map(([name, { says, amount }]) => [
    `\`${name}\``,
    says,
    amount ?? NO_AMOUNT,
  ]);
  const deliveries = Object.entries<DeliveryRow>(DELIVERIES).map(([name, { says }]) => [`\`${name}\``, says]);
  const routes = Object.entries(ADMIN_ROUTES).map(([name, { says, takes }]) => [
    `\`${name.replace(' ', ' /__simulator/')}\``,
    takes,
    says,
  ]);
  return [
    INTRODUCTION,
    section(
      'Routes of its own',
      'JSON in, JSON out; members may stand in the query too. 400 says what is wrong, 404 that there is nothing.',
      table(['route', 'takes', 'does'], routes),
    ),
    section(
      'Behaviours: how one answer goes wrong',
      `Baked into a media id (\`POST mint\`, \`POST send\`) or played by a whole account (\`POST misbehave\`). \`times\`: how many
tries see it before the answer is good; 0: all of them. Where a whole account misbehaves, some are played for any media
id, the others only for ids that the account knows.`,
      table(['name', 'what is answered', 'amount', 'ids'], behaviours),
    ),
    section(
      'Troubles: what is wrong with an account',
      'Several may be on at once (`POST trouble`), until `POST heal`, or until so many refusals as `times` says.',
      table(['name', 'what happens', 'amount'], troubles),
    ),
    section(
      'Deliveries: how callbacks arrive',
      'The `how` of `POST send`. Each callback has five seconds to be answered and three attempts.',
      table(['name', 'order'], deliveries),
    ),
  ].join('\n');
}

const section = (title: string, text: string, body: string) => `## ${title}\n\n${text}\n\n${body}\n`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
