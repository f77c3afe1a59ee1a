/** wma audit-log. */
import type { Command } from 'commander';
import { EXIT } from '../client.ts';
import { parseCount, parseTime, setAction, type Terminal } from '../command.ts';
import { table } from '../output.ts';

interface Entry {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly reason?: string;
}

interface Page {
  readonly items: readonly Entry[];
  readonly nextBefore: number | null;
}

const PAGE_SIZE = 200;

export function addAuditLogCommand(program: Command, terminal: Terminal): void {
  const auditLog = program
    .command('audit-log')
    .summary('list the audit log: actions with actor, target and reason, newest first')
    .option('--target <id>', 'the id of a media item, a redrive or an account, or the name of an account')
    .option('--actor <name>', 'the name of a key, or the part of the program')
    .option('--action <action>', 'such as redrive, erase, hold, release, acknowledge, login')
    .option('--from <time>', 'entries since then: a date, or a duration such as 7d', parseTime)
    .option('--to <time>', 'entries before then', parseTime)
    .option('--limit <n>', 'the maximum number of entries', parseCount, 50);
  setAction(terminal, auditLog, async ({ client, output }) => {
    const { limit, ...filter } = auditLog.opts();
    const items: Entry[] = [];
    let before: number | undefined;
    do {
      const query = { ...filter, before, limit: Math.min(PAGE_SIZE, limit - items.length) };
      const page = await client.request<Page>('GET', '/v1/audit-log', { query });
      items.push(...page.items);
      before = page.nextBefore ?? undefined;
    } while (before !== undefined && items.length < limit);
    output.show({ items, nextBefore: before ?? null }, () =>
      items.length === 0
        ? 'No entries match.'
        : table(
            ['AT', 'ACTOR', 'ACTION', 'TARGET', 'REASON'],
            items.map(({ at, actor, action, target, reason }) => [at, actor, action, target, reason]),
          ),
    );
    return EXIT.ok;
  });
}
