/** wma add, list, show, link. */
import { type Command, Option } from 'commander';
import { KINDS, STATUSES } from '../../media.ts';
import { EXIT } from '../client.ts';
import {
  collect,
  parseCount,
  parsePair,
  parseTime,
  parseTimeAhead,
  setAction,
  type Terminal,
} from '../command.ts';
import { fields, size, table } from '../output.ts';

/** A media item as the API returns it; see /docs of a server. */
export interface Media {
  readonly id: string;
  readonly account: string;
  readonly status: string;
  readonly kind?: string;
  readonly mediaId?: string;
  readonly sentAt?: string;
  readonly sizeBytes?: number;
  readonly waiting?: { readonly reason: string; readonly until?: string };
  readonly failure?: {
    readonly code: string;
    readonly errcode?: number;
    readonly message: string;
    readonly advice: string;
  };
  readonly link?: { readonly url: string; readonly expiresAt: string };
  readonly attemptLog?: readonly {
    readonly startedAt: string;
    readonly ms: number;
    readonly outcome: string;
    readonly code?: string;
    readonly errcode?: number;
    readonly bytes?: number;
  }[];
  readonly [more: string]: unknown;
}

export interface MediaPage {
  readonly items: readonly Media[];
  readonly nextCursor: string | null;
}

export function addMediaCommands(program: Command, terminal: Terminal): void {
  const add = program
    .command('add')
    .summary('archive a media item')
    .description(
      'Requests that a media item be archived. Idempotent: repeating it creates no second row and no second object.',
    )
    .argument('<account>', 'appId (WeCom: corpId-agentId) or its name')
    .argument('<mediaId>', 'as in the message of WeChat')
    .addOption(new Option('--kind <kind>', 'kind of the media item').choices(KINDS).makeOptionMandatory())
    .addOption(new Option('--variant <variant>', 'of a voice').choices(['16k', 'jssdk']))
    .option('--sent-at <time>', "the message's time; default: now", parseTime)
    .option('--msg-id <id>', 'id of the message')
    .option('--open-id <id>', 'the user who sent it')
    .option('--parent-id <id>', 'id of the media item to which this one belongs')
    .option('--pic-url <url>', 'the link that came with a picture')
    .option('--text <text>', 'what was recognised in a voice, or the title of a forwarded item')
    .option('--label <name=value>', 'a label; may be repeated', parsePair);
  setAction(terminal, add, async ({ client, output }, [account, mediaId]) => {
    const { kind, variant, sentAt, msgId, openId, parentId, picUrl, text, label: labels } = add.opts();
    const body = { account, mediaId, kind, variant, sentAt, msgId, openId, parentId, picUrl, text, labels };
    const row = await client.request<Media>('POST', '/v1/media', { body });
    output.show(row, ({ id, status }) => `${id}  ${status}`);
    return EXIT.ok;
  });

  const list = program
    .command('list')
    .summary('list media items, newest first')
    .option('--query <text>', 'an id of any kind, the beginning of a sha256, or words of a text or file name')
    .option('--account <account>', 'may be repeated', collect)
    .addOption(new Option('--status <status>', STATUSES.join(', ')).argParser(collect))
    .addOption(new Option('--kind <kind>', KINDS.join(', ')).argParser(collect))
    .option('--errcode <number>', "WeChat's number of the failure", collect)
    .option('--open-id <id>', 'the user who sent it')
    .option('--msg-id <id>', 'id of the message', collect)
    .option('--media-id <id>', 'as in the message of WeChat', collect)
    .option('--label <name=value>', 'may be repeated', parsePair)
    .option('--sent-from <time>', 'sent at this time or later', parseTime)
    .option('--sent-to <time>', 'sent before this time', parseTime)
    .option('--expires-before <time>', 'pending items that expire before this time', parseTimeAhead)
    .option('--limit <n>', 'the maximum number of media items', parseCount, 50)
    .addHelpText('after', '\nExample:\n  wma list --status dead --account shop --limit 20');
  setAction(terminal, list, async ({ client, output }) => {
    const { limit, label = {}, query: q, ...filter } = list.opts();
    const labels = Object.fromEntries(Object.entries(label).map(([name, value]) => [`label.${name}`, value]));
    const items: Media[] = [];
    let cursor: string | undefined;
    do {
      const query = { q, ...filter, ...labels, cursor, limit: Math.min(200, limit - items.length) };
      const page = await client.request<MediaPage>('GET', '/v1/media', { query });
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && items.length < limit);
    output.show({ items, nextCursor: cursor ?? null }, () => mediaTable(items));
    if (cursor !== undefined) output.info(`More media items match: use a higher --limit, or wma export.`);
    return EXIT.ok;
  });

  const show = program
    .command('show')
    .summary('show one media item, its attempts and a link to it')
    .argument('<id>', 'm_ and 32 hex digits');
  setAction(terminal, show, async ({ client, output }, [id]) => {
    const path = `/v1/media/${encodeURIComponent(id!)}`;
    const row = await client.request<Media>('GET', path, { query: { include: 'attemptLog,link' } });
    output.show(row, mediaText);
    return EXIT.ok;
  });

  const link = program
    .command('link')
    .summary('create a link to a file, which opens without a key')
    .description(
      'Prints a link; each person who has it can open the file until it ends. Recorded in the audit log. A key with the scope ' +
        'read creates links up to LINK_TTL, one with write up to 7d.',
    )
    .argument('<id>', 'm_ and 32 hex digits')
    .option('--ttl <duration>', 'how long it is valid: 15m, 1h, 1d, at most 7d', '1h');
  setAction(terminal, link, async ({ client, output }, [id]) => {
    const path = `/v1/media/${encodeURIComponent(id!)}/links`;
    const body = { ttl: link.opts().ttl };
    const created = await client.request<NonNullable<Media['link']>>('POST', path, { body });
    output.show(created, ({ url }) => url);
    output.info(`Valid until ${created.expiresAt}.`);
    return EXIT.ok;
  });
}

function reasonOf({ waiting, failure }: Media): string {
  if (failure) return failure.errcode === undefined ? failure.code : `${failure.errcode} ${failure.code}`;
  return waiting ? waiting.reason : '';
}

function mediaTable(items: readonly Media[]): string {
  if (items.length === 0) return 'No media items match.';
  return table(
    ['ID', 'ACCOUNT', 'KIND', 'STATUS', 'SENT', 'SIZE', 'REASON'],
    items.map((row) => [
      row.id,
      row.account,
      row.kind,
      row.status,
      row.sentAt,
      size(row.sizeBytes),
      reasonOf(row),
    ]),
  );
}

function mediaText(row: Media): string {
  const { attemptLog = [], link, failure, waiting, ...rest } = row;
  const parts = [
    fields([
      ...Object.entries(rest),
      ['waiting', waiting && `${waiting.reason}${waiting.until ? ` until ${waiting.until}` : ''}`],
      ['failure', failure && `${failure.message} ${failure.advice}`],
      ['link', link?.url],
    ]),
  ];
  if (attemptLog.length > 0)
    parts.push(
      table(
        ['ATTEMPT', 'MS', 'OUTCOME', 'CODE', 'BYTES'],
        attemptLog.map(({ startedAt, ms, outcome, errcode, code, bytes }) => [
          startedAt,
          ms,
          outcome,
          errcode ?? code,
          bytes,
        ]),
      ),
    );
  return parts.join('\n\n');
}
