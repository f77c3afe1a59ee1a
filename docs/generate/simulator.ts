/** Generates docs/simulator.md from the simulator's own tables. */
import { ADMIN_ROUTES } from '../../src/simulator/admin-routes.ts';
import { DELIVERY_PATTERNS, type DeliveryPattern } from '../../src/simulator/callbacks/delivery-patterns.ts';
import { ACCOUNT_FAULTS, type AccountFaultSpec } from '../../src/simulator/faults/account-fault-table.ts';
import type { FaultSpec } from '../../src/simulator/faults/fault-context.ts';
import { RESPONSE_FAULTS } from '../../src/simulator/faults/response-faults.ts';

const INTRODUCTION = `# The simulated WeChat

[中文](zh/simulator.md)

A simulated WeChat on a real socket, for trying the service out and for tests. \`npm start\` and \`npm run demo\` start
one if no account is configured. As a separate program it has an official account, a mini program, a WeCom app and
a third-party platform:

\`\`\`sh
npm run simulator -- --port 9700 --accounts-file accounts.json
\`\`\`

It listens only on 127.0.0.1 and prints the settings that the service needs: \`WECHAT_API_BASE_URL\`,
\`WECOM_API_BASE_URL\`, \`WECHAT_VIDEO_BASE_URL\`, \`FETCH_ALLOW_HOSTS\`, and the accounts.
\`--send-to http://127.0.0.1:8080\` sends messages to a service until the simulator stops. \`--time-scale\` must be the
service's \`TIME_SCALE\`. A media id contains everything from which its file is generated, so media ids are valid after a restart;
quotas, faults and the messages of customer service are lost.

It has these routes of WeChat: \`/cgi-bin/token\`, \`stable_token\`, \`media/get\`, \`media/get/jssdk\`,
\`openapi/quota/get\` and \`clear\`, \`clear_quota\` and its \`v2\`; of a third-party platform:
\`component/api_component_token\`, \`api_authorizer_token\` (a new refresh token each time, 61023 for an old one),
\`api_get_authorizer_info\`; of WeCom, at the same address: \`gettoken\`, \`media/get\` with \`Range\`,
\`kf/sync_msg\`. Video links and PicUrls lead to the simulator itself.

\`\`\`sh
curl -d '{"account":"wx5101a7ed00000000","name":"dayQuota","amount":10}' http://127.0.0.1:9700/__simulator/account-fault
\`\`\`
`;

const NO_AMOUNT = '–';

export function simulatorPage(): string {
  const responseFaults = Object.entries<FaultSpec>(RESPONSE_FAULTS).map(
    ([name, { description, amount, needsNoFile }]) => [
      `\`${name}\``,
      description,
      amount ?? NO_AMOUNT,
      needsNoFile ? 'any' : 'known',
    ],
  );
  const accountFaults = Object.entries<AccountFaultSpec>(ACCOUNT_FAULTS).map(
    ([name, { description, amount }]) => [`\`${name}\``, description, amount ?? NO_AMOUNT],
  );
  const patterns = Object.entries<DeliveryPattern>(DELIVERY_PATTERNS).map(([name, { description }]) => [
    `\`${name}\``,
    description,
  ]);
  const routes = Object.entries(ADMIN_ROUTES).map(([name, { description, parameters }]) => [
    `\`${name.replace(' ', ' /__simulator/')}\``,
    parameters,
    description,
  ]);
  return [
    INTRODUCTION,
    section(
      'Admin routes',
      'Requests and responses are JSON; members may also be in the query. 400 explains what is invalid, 404 means not found.',
      table(['route', 'parameters', 'what it does'], routes),
    ),
    section(
      'Response faults',
      `A fault of one response of media/get. It is part of a media id (\`POST mint\`, \`POST send\`) or applies to every response
to an account (\`POST account-wide-fault\`). \`times\` is the number of attempts that get the fault; 0: all. As an account-wide
fault, some apply to any media id, the others only to media ids that the account knows.`,
      table(['name', 'response', 'amount', 'media ids'], responseFaults),
    ),
    section(
      'Account faults',
      'Faults that affect all requests of an account. Several may be active at once: from `POST account-fault` to\n`POST end-account-fault`, or until `times` requests were refused.',
      table(['name', 'effect', 'amount'], accountFaults),
    ),
    section(
      'Delivery patterns',
      'The `pattern` of `POST send`. Each callback has three attempts, of five seconds each.',
      table(['name', 'order'], patterns),
    ),
  ].join('\n');
}

const section = (title: string, text: string, body: string) => `## ${title}\n\n${text}\n\n${body}\n`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
