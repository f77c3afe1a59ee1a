/** wma webhooks: the endpoints to which events are sent, and their deliveries. */
import type { Command } from 'commander';
import { CliError, type Client, EXIT } from '../client.ts';
import { collect, confirm, parseCount, parseTime, parseUrl, setAction, type Terminal } from '../command.ts';
import { fields, type Output, table } from '../output.ts';

interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly secret?: string;
  readonly description?: string;
  readonly types: readonly string[] | null;
  readonly accounts: readonly string[] | null;
  readonly state: string;
  readonly disabled: { readonly at: string; readonly message: string } | null;
  readonly failingSince?: string;
  readonly lastSuccessAt?: string;
  readonly lastFailure?: { readonly at: string; readonly message: string; readonly status?: number };
  readonly pending: number;
  readonly hasMissed: boolean;
  readonly behind?: number;
  readonly missed?: number;
  readonly previousSecretUntil?: string;
}

interface Delivery {
  readonly id: number;
  readonly event: { readonly id: string; readonly type: string; readonly media?: string };
  readonly state: string;
  readonly attempts: number;
  readonly status?: number;
  readonly message?: string;
  readonly dueAt?: string;
}

interface Tested {
  readonly delivered: boolean;
  readonly status?: number;
  readonly message?: string;
  readonly durationMs: number;
}

const pathOf = (id: string, rest = '') => `/v1/webhooks/${encodeURIComponent(id)}${rest}`;
const all = (list: readonly string[] | null, every: string) => list?.join(', ') ?? every;

const endpointText = (one: Endpoint) =>
  fields([
    ['id', one.id],
    ['url', one.url],
    ['description', one.description],
    ['types', all(one.types, 'all')],
    ['accounts', all(one.accounts, 'all')],
    ['state', one.state],
    ['disabled', one.disabled && `${one.disabled.at}: ${one.disabled.message}`],
    ['failing since', one.failingSince],
    ['last success', one.lastSuccessAt],
    ['last failure', one.lastFailure && `${one.lastFailure.at}: ${one.lastFailure.message}`],
    ['pending', one.pending],
    ['behind', one.behind],
    ['missed', one.missed ?? one.hasMissed],
    ['old secret until', one.previousSecretUntil],
    ['secret', one.secret],
  ]);

function showWithSecret(output: Output, endpoint: Endpoint): void {
  output.show(endpoint, endpointText);
  output.info('The secret is shown only now: store it where the receiver reads it.');
}

interface Shape {
  url?: string;
  description?: string;
  type?: string[];
  account?: string[];
}
const bodyOf = ({ url, description, type, account }: Shape) => ({
  url,
  description,
  types: type,
  accounts: account,
});
const withShape = (command: Command): Command =>
  command
    .option('--type <type>', 'only events of this type; may be repeated; default: all', collect)
    .option('--account <account>', 'only events of this account; may be repeated; default: all', collect)
    .option('--description <text>', 'what it is for');

export function addWebhookCommands(program: Command, terminal: Terminal): void {
  const webhooks = program
    .command('webhooks')
    .summary('list and manage the endpoints to which events are sent');
  setAction(terminal, webhooks, async ({ client, output }) => {
    const response = await client.request<{ items: readonly Endpoint[] }>('GET', '/v1/webhooks');
    output.show(response, ({ items }) =>
      items.length === 0
        ? 'There are no webhook endpoints.'
        : table(
            ['ID', 'STATE', 'PENDING', 'TYPES', 'ACCOUNTS', 'URL'],
            items.map((one) => [
              one.id,
              one.state,
              one.pending,
              all(one.types, 'all'),
              all(one.accounts, 'all'),
              one.url,
            ]),
          ),
    );
    return EXIT.ok;
  });
  addChanges(webhooks, terminal);
  addDeliveries(webhooks, terminal);
}

function addChanges(webhooks: Command, terminal: Terminal): void {
  const show = webhooks
    .command('show')
    .summary('show an endpoint')
    .argument('<id>', 'as listed by wma webhooks');
  setAction(terminal, show, async ({ client, output }, [id]) => {
    output.show(await client.request<Endpoint>('GET', pathOf(id!)), endpointText);
    return EXIT.ok;
  });

  const add = withShape(
    webhooks
      .command('add')
      .summary('create an endpoint and print its signing secret')
      .argument('<address>', 'https; others only for hosts in WEBHOOK_ALLOW_HOSTS', parseUrl),
  );
  setAction(terminal, add, async ({ client, output }, [url]) => {
    const body = bodyOf({ ...add.opts<Shape>(), url: url! });
    showWithSecret(output, await client.request<Endpoint>('POST', '/v1/webhooks', { body }));
    return EXIT.ok;
  });

  const change = withShape(
    webhooks
      .command('change')
      .summary('change an endpoint; what is not named stays as it is')
      .argument('<id>', 'as listed by wma webhooks')
      .option('--address <url>', 'the new address', parseUrl),
  );
  setAction(terminal, change, async ({ client, output }, [id]) => {
    const { address, ...shape } = change.opts<Shape & { address?: string }>();
    const body = bodyOf({ ...shape, ...(address ? { url: address } : {}) });
    if (Object.values(body).every((value) => value === undefined))
      throw new CliError('Name at least one option to change.', EXIT.usage);
    output.show(await client.request<Endpoint>('PATCH', pathOf(id!), { body }), endpointText);
    return EXIT.ok;
  });

  const remove = webhooks
    .command('delete')
    .summary('delete an endpoint with its deliveries')
    .argument('<id>', 'as listed by wma webhooks')
    .option('--yes', 'without the confirmation');
  setAction(terminal, remove, async ({ client, output }, [id]) => {
    if (!remove.opts().yes) await confirm({ output }, `Delete ${id} and its deliveries?`);
    await client.request('DELETE', pathOf(id!));
    output.info(`${id} is deleted.`);
    return EXIT.ok;
  });

  for (const [name, summary] of [
    ['enable', 'enable an endpoint; it goes on where it was'],
    ['disable', 'disable an endpoint; its place in the feed is kept'],
  ] as const) {
    const command = webhooks.command(name).summary(summary).argument('<id>', 'as listed by wma webhooks');
    setAction(terminal, command, async ({ client, output }, [id]) => {
      output.show(
        await client.request<Endpoint>('POST', pathOf(id!, `/${name}`), { body: {} }),
        endpointText,
      );
      return EXIT.ok;
    });
  }

  const rotate = webhooks
    .command('rotate-secret')
    .summary('replace the signing secret; the old one signs too for 24 h')
    .argument('<id>', 'as listed by wma webhooks');
  setAction(terminal, rotate, async ({ client, output }, [id]) => {
    const rotated = await client.request<Endpoint>('POST', pathOf(id!, '/rotate-secret'), { body: {} });
    showWithSecret(output, rotated);
    return EXIT.ok;
  });
}

function addDeliveries(webhooks: Command, terminal: Terminal): void {
  const test = webhooks
    .command('test')
    .summary('send a test message now')
    .argument('<id>', 'as listed by wma webhooks');
  setAction(terminal, test, async ({ client, output }, [id]) => {
    const tested = await client.request<Tested>('POST', pathOf(id!, '/test'), { body: {} });
    output.show(tested, ({ delivered, status, message, durationMs }) =>
      delivered
        ? `Delivered: HTTP ${status} after ${durationMs} ms.`
        : `Not delivered: ${message}${status === undefined ? '' : ` (HTTP ${status})`}`,
    );
    return tested.delivered ? EXIT.ok : EXIT.findings;
  });

  const deliveries = webhooks
    .command('deliveries')
    .summary('list the deliveries of an endpoint, newest first')
    .argument('<id>', 'as listed by wma webhooks')
    .option('--state <state>', 'pending, delivered or failed')
    .option('--limit <count>', 'how many; default 50', parseCount);
  setAction(terminal, deliveries, async ({ client, output }, [id]) => {
    output.show(await listDeliveries(client, id!, deliveries.opts()), ({ items }) =>
      items.length === 0
        ? 'There are no such deliveries.'
        : table(
            ['ID', 'EVENT', 'ITEM', 'STATE', 'ATTEMPTS', 'STATUS', 'NEXT ATTEMPT', 'REASON'],
            items.map((one) => [
              one.id,
              one.event.type,
              one.event.media,
              one.state,
              one.attempts,
              one.status,
              one.dueAt,
              one.message,
            ]),
          ),
    );
    return EXIT.ok;
  });

  const resend = webhooks
    .command('resend')
    .summary('send a delivery again now')
    .argument('<id>', 'as listed by wma webhooks')
    .argument('<delivery>', 'as listed by wma webhooks deliveries', parseCount);
  setAction(terminal, resend, async ({ client, output }, [id, delivery]) => {
    const path = pathOf(id!, `/deliveries/${delivery}/resend`);
    const again = await client.request<Delivery>('POST', path, { body: {} });
    output.show(again, ({ event }) => `${event.type} ${event.id} is sent again now.`);
    return EXIT.ok;
  });

  const replay = webhooks
    .command('replay')
    .summary('send the events of a time again')
    .argument('<id>', 'as listed by wma webhooks')
    .requiredOption('--from <time>', 'events that came into the feed at this time or later', parseTime)
    .option('--to <time>', 'and before this time; default: now', parseTime);
  setAction(terminal, replay, async ({ client, output }, [id]) => {
    const { from, to } = replay.opts<{ from: string; to?: string }>();
    const made = await client.request<{ made: number }>('POST', pathOf(id!, '/replay'), {
      body: { from, to },
    });
    output.show(made, (it) => `${it.made} events are sent again now.`);
    return EXIT.ok;
  });
}

const PAGE = 200;

async function listDeliveries(
  client: Client,
  id: string,
  { state, limit = 50 }: { state?: string; limit?: number },
): Promise<{ items: readonly Delivery[] }> {
  const items: Delivery[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.request<{ items: readonly Delivery[]; nextCursor: string | null }>(
      'GET',
      pathOf(id, '/deliveries'),
      { query: { state, cursor, limit: Math.min(PAGE, limit - items.length) } },
    );
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor && items.length < limit);
  return { items };
}
