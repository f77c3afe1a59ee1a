/** The command `wma` with all its subcommands. */
import { Command, CommanderError } from 'commander';
import { EXIT } from './client.ts';
import { parseUrl, type Terminal } from './command.ts';
import { addAccountCommands } from './commands/accounts.ts';
import { addAcknowledgeCommand } from './commands/acknowledge.ts';
import { addAuditLogCommand } from './commands/audit-log.ts';
import { addDeadLetterCommands } from './commands/dead-letters.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addDownloadCommand } from './commands/download.ts';
import { addEraseCommand } from './commands/erase.ts';
import { addEventsCommand } from './commands/events.ts';
import { addLoginCommand } from './commands/login.ts';
import { addMediaCommands } from './commands/media.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addTransferCommands } from './commands/transfer.ts';
import { addVerifyCommand } from './commands/verify.ts';
import { addWebhookCommands } from './commands/webhooks.ts';

const EPILOGUE = `
The default is the server on this machine, with its configured or generated key. For another server set
WMA_URL and WMA_API_KEY, in the environment or in .env.

Exit codes: 0 success; 1 success with findings; 2 wrong usage; 3 the server refused the request; 4 the key is
missing or does not allow the action; 5 the server is unavailable; 78 configuration; 130 Ctrl-C.`;

export function buildProgram(terminal: Terminal): Command {
  const program = new Command('wma')
    .description('Archives the media items that users send to WeChat accounts, and finds them again.')
    .option('--url <url>', 'the server; default WMA_URL', parseUrl)
    .option(
      '--key <secret>',
      'a secret of API_KEYS; other users of this machine can see it, unlike WMA_API_KEY',
    )
    .option('--json', 'JSON on stdout')
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .showSuggestionAfterError()
    .addHelpText('after', EPILOGUE)
    .exitOverride();
  addMediaCommands(program, terminal);
  addDownloadCommand(program, terminal);
  addEventsCommand(program, terminal);
  addDeadLetterCommands(program, terminal);
  addAcknowledgeCommand(program, terminal);
  addEraseCommand(program, terminal);
  addVerifyCommand(program, terminal);
  addAccountCommands(program, terminal);
  addWebhookCommands(program, terminal);
  addAuditLogCommand(program, terminal);
  addDoctorCommand(program, terminal);
  addLoginCommand(program, terminal);
  addMigrateCommand(program, terminal);
  addTransferCommands(program, terminal);
  // Commander does not apply these settings to commands that already exist.
  for (const command of program.commands.flatMap((one) => [one, ...one.commands]))
    command.exitOverride().helpOption('-h, --help', 'show this');
  return program.helpOption('-h, --help', 'show this').helpCommand(false);
}

/** Runs one command line and passes its exit code to the terminal. */
export async function runCli(terminal: Terminal, args: readonly string[]): Promise<void> {
  try {
    const program = buildProgram(terminal);
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    terminal.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  }
}
