/** The command `wma`, with all it can do. */
import { Command, CommanderError } from 'commander';
import { EXIT } from './client.ts';
import { parseUrl, type Terminal } from './command.ts';
import { addAccountCommands } from './commands/accounts.ts';
import { addDeadLetterCommands } from './commands/dead-letters.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addEraseCommand } from './commands/erase.ts';
import { addLoginCommand } from './commands/login.ts';
import { addMediaCommands } from './commands/media.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addTransferCommands } from './commands/transfer.ts';
import { addVerifyCommand } from './commands/verify.ts';

const EPILOGUE = `
Without options the server is the one on this machine, and its key the one it was given or made for itself; else
set WMA_URL and WMA_API_KEY, in the environment or in .env.

Exit codes: 0 done; 1 done, and what it found is not as it should be; 2 wrong usage; 3 the server refused;
4 the key is missing or does not reach this far; 5 no server, or it cannot now; 78 configuration; 130 Ctrl-C.`;

export function buildProgram(terminal: Terminal): Command {
  const program = new Command('wma')
    .description('Archives what users send to WeChat accounts, and answers where it is.')
    .option('--url <url>', 'the server; default WMA_URL', parseUrl)
    .option(
      '--key <secret>',
      'a secret of API_KEYS; others on this machine can see it, WMA_API_KEY they cannot',
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
  addDeadLetterCommands(program, terminal);
  addEraseCommand(program, terminal);
  addVerifyCommand(program, terminal);
  addAccountCommands(program, terminal);
  addDoctorCommand(program, terminal);
  addLoginCommand(program, terminal);
  addMigrateCommand(program, terminal);
  addTransferCommands(program, terminal);
  // Commands are given what the program was given at the time they are made.
  for (const command of program.commands) command.exitOverride().helpOption('-h, --help', 'show this');
  return program.helpOption('-h, --help', 'show this').helpCommand(false);
}

/** Runs one command line; the terminal is told the exit code. */
export async function runCli(terminal: Terminal, words: readonly string[]): Promise<void> {
  try {
    const program = buildProgram(terminal);
    if (words.length === 0) program.help({ error: true });
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    terminal.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  }
}
