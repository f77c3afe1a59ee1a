/** wma events. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { EVENT_TYPES } from '../../event.ts';
import { CliError, EXIT } from '../client.ts';
import { type Context, collect, parseCount, setAction, type Terminal } from '../command.ts';
import { cell } from '../output.ts';

/** An event as the API returns it; docs/events.md describes it. */
interface FeedEvent {
  readonly id: string;
  readonly type: string;
  readonly at: string;
  /** null: it is about the store. */
  readonly account: string | null;
  readonly sequence: number;
  readonly data: {
    readonly id?: string;
    readonly status?: string;
    readonly failure?: { readonly code: string; readonly errcode?: number };
    readonly hold?: { readonly code?: string; readonly reason?: string } | null;
  };
}

interface EventPage {
  readonly items: readonly FeedEvent[];
  readonly nextCursor: string;
}

interface Filter {
  readonly type?: readonly string[];
  readonly account?: readonly string[];
}

/** Instead of a cursor. */
const FROM_NOW = 'now';
const PAGE_SIZE = 500;
const DEFAULT_LIMIT = 100;
/** The server waits so long for an event. Less than the 30 s after which proxies end a silent request. */
const WAIT = '20s';
/** An empty page that comes sooner did not wait: the server is shutting down. */
const SOON_MS = 1_000;
/** Without --follow: how long to look for a match. On a busy server the end of the feed never comes to rest. */
const SEARCH_MS = 20_000;
const RETRY_MS = 1_000;
/** How many consecutive requests may fail, because the server may be restarting. */
const FAILURE_LIMIT = 60;

export function addEventsCommand(program: Command, terminal: Terminal): void {
  const events = program
    .command('events')
    .summary('list what happened, oldest first; with --follow also what happens from now on')
    .description(
      'Lists the events of media items, accounts and the store, oldest first, one on each line. With --json each line also has a ' +
        'cursor: after a line was processed, --after <cursor> continues, and misses nothing; some events may come twice.',
    )
    .option('--after <cursor>', 'continue after it; "now": only later events; default: from the oldest kept')
    .addOption(new Option('--type <type>', `may be repeated: ${EVENT_TYPES.join(', ')}`).argParser(collect))
    .option('--account <account>', 'may be repeated', collect)
    .option('--limit <n>', 'the maximum number of events; default 100, with --follow none', parseCount)
    .option('--follow', 'wait for later events until Ctrl-C')
    .addHelpText('after', '\nExample:\n  wma events --follow --after now --type media.archived --json');
  setAction(terminal, events, async (context) => {
    const { after, follow = false, limit, ...filter } = events.opts();
    const reader = createReader(context, filter, follow);
    if (follow) await reader.follow(after, limit ?? Number.POSITIVE_INFINITY);
    else await reader.list(after, limit ?? DEFAULT_LIMIT);
    return EXIT.ok;
  });
}

function createReader({ client, output, signal }: Context, filter: Filter, isFollowing: boolean) {
  const again = (cursor: string) => `Continue: wma events${isFollowing ? ' --follow' : ''} --after ${cursor}`;

  async function read(after: string | undefined, limit: number, waiting?: string): Promise<EventPage> {
    try {
      const query = { ...filter, after, limit: Math.min(PAGE_SIZE, limit), wait: waiting };
      return await client.request<EventPage>('GET', '/v1/events', { query });
    } catch (error) {
      if (!(error instanceof CliError) || error.problem?.code !== 'cursor_expired') throw error;
      const { oldestCursor } = error.problem;
      throw new CliError(`${error.message}\n${again(String(oldestCursor))}`, error.exitCode, error.problem);
    }
  }

  /** The first page has at most one event, so that each later one begins at a cursor that can be printed. */
  const readFirst = (start: string | undefined, limit: number) =>
    read(start, start === undefined || start === FROM_NOW ? 1 : limit);

  /** A page has one cursor, behind it. Within the page, the one before it is what continues without a gap. */
  function print({ items, nextCursor }: EventPage, before: string | undefined): void {
    for (const [index, event] of items.entries()) {
      const cursor = index === items.length - 1 ? nextCursor : before;
      output.show({ ...event, cursor }, lineOf);
    }
  }

  async function list(start: string | undefined, limit: number): Promise<void> {
    let page = await readFirst(start, limit);
    print(page, start);
    let left = limit - page.items.length;
    let isAtEnd = start === FROM_NOW;
    let foundAtMs = performance.now();
    while (left > 0 && !isAtEnd && performance.now() - foundAtMs < SEARCH_MS) {
      const after = page.nextCursor;
      page = await read(after, left);
      print(page, after);
      left -= page.items.length;
      isAtEnd = page.items.length === 0 && page.nextCursor === after;
      if (page.items.length > 0) foundAtMs = performance.now();
    }
    output.info(again(page.nextCursor));
  }

  /** Reads the next page; while the server is unavailable it repeats the request. */
  async function next(after: string, limit: number): Promise<EventPage> {
    for (let failures = 0; ; ) {
      try {
        const startedAtMs = performance.now();
        const page = await read(after, limit, WAIT);
        if (page.items.length > 0 || performance.now() - startedAtMs > SOON_MS) return page;
      } catch (error) {
        signal.throwIfAborted();
        const isTemporary = error instanceof CliError && error.exitCode === EXIT.unavailable;
        if (!isTemporary || ++failures > FAILURE_LIMIT) throw error;
        if (failures === 1) output.info('The server does not respond; waiting for it.');
      }
      await wait(RETRY_MS, undefined, { signal });
    }
  }

  async function follow(start: string | undefined, limit: number): Promise<void> {
    // The first request does not wait: a mistake in the options is reported at once.
    let page = await readFirst(start, limit);
    print(page, start);
    let left = limit - page.items.length;
    try {
      while (left > 0) {
        const after = page.nextCursor;
        page = await next(after, left);
        print(page, after);
        left -= page.items.length;
      }
    } catch (error) {
      if (signal.aborted) throw new CliError(again(page.nextCursor), EXIT.interrupted);
      if (error instanceof CliError && error.exitCode === EXIT.unavailable)
        output.info(again(page.nextCursor));
      throw error;
    }
  }

  return { list, follow };
}

function lineOf({ at, type, account, data }: FeedEvent): string {
  const { id, status, failure, hold } = data;
  const reason = failure ? (failure.errcode ?? failure.code) : (hold?.reason ?? hold?.code);
  return [at, type.padEnd(16), account ?? 'store', id, status, reason]
    .filter((value) => value !== undefined)
    .map(cell)
    .join('  ');
}
