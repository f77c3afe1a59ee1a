/** The parts that all commands share: global options, the client created from them, parsers of options, exit codes. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ClientSettings } from '../config/client-settings.ts';
import { momentOf } from '../config/values/moment.ts';
import { isUnencryptedAddress } from '../runtime/network/unencrypted-address.ts';
import { CliError, type Client, createClient, EXIT } from './client.ts';
import { createOutput, type Output, type Streams } from './output.ts';

export interface Context {
  readonly client: Client;
  readonly output: Output;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Resolves with the exit code; undefined means 0. */
export type Run = (context: Context, args: readonly string[]) => Promise<number | undefined>;

interface GlobalOptions {
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

export interface Terminal extends Streams {
  /** Returns the address and the key of the server, from the environment. */
  settings(): ClientSettings;
  /** Called once, with the command's exit code. */
  exit(code: number): void;
  onInterrupt(listener: () => void): void;
}

/** Sets the action of a command. */
export function setAction(terminal: Terminal, command: Command, run: Run): Command {
  return command.action(async () => {
    const globals = command.optsWithGlobals() as GlobalOptions;
    const interrupted = new AbortController();
    terminal.onInterrupt(() => interrupted.abort(new CliError('Interrupted.', EXIT.interrupted)));
    const output = createOutput(terminal, { json: globals.json ?? false });
    const settings = terminal.settings();
    const client = createClient({
      ...settings,
      url: globals.url?.replace(/\/+$/, '') ?? settings.url,
      key: globals.key ?? settings.key,
      signal: interrupted.signal,
    });
    if (isUnencryptedAddress(client.url))
      output.info(`Warning: the key is sent unencrypted to ${client.url}. Use https.`);
    try {
      terminal.exit((await run({ client, output, signal: interrupted.signal }, command.args)) ?? EXIT.ok);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      output.info(error.message);
      terminal.exit(error.exitCode);
    }
  });
}

/** Throws a CliError unless the user confirms. Without a terminal it throws too. */
export async function confirm({ output }: Pick<Context, 'output'>, question: string): Promise<void> {
  if (!(await output.confirm(question)))
    throw new CliError('Nothing was changed. Without a terminal, use --yes.', EXIT.usage);
}

export function parseUrl(text: string): string {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('It must begin with http:// or https://.');
  return text;
}

/** The parser of an option that may be repeated. */
export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number(text);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };

/** `10MiB` → 10,485,760. */
export function parseBytes(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9})\s*([kmg]?i?b?)$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (!number || factor === undefined) throw new InvalidArgumentError('Write it like 10MiB.');
  return Number(number) * factor;
}

const parseMoment =
  (direction: 'past' | 'future') =>
  (text: string): string => {
    const at = momentOf(text, direction, new Date());
    if (!at)
      throw new InvalidArgumentError('Write it like 2026-11-20, 2026-11-20T08:00:00+08:00, 90m, 24h or 7d.');
    return at.toISOString();
  };

/** `1h` is an hour ago. */
export const parseTime = parseMoment('past');
/** `1h` is in an hour. */
export const parseTimeAhead = parseMoment('future');

/** `k=v` → [k, v]. */
export function parsePair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it like name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
