/** Generates docs/cli.md from the program itself. */
import { type Command, Help } from 'commander';
import { buildProgram } from '../../src/cli/program.ts';

const INTRODUCTION = `# wma, the command line

[中文](zh/cli.md)

The command line client of the service. It sends HTTP requests to a server on this or another machine.

\`\`\`sh
npx wma list --status dead            # in this repository, with any version of Node
npm run wma -- list --status dead     # the same
docker compose exec server node bin/wma.js list --status dead
\`\`\`

The published package also contains \`wma\`, without the service. The server is \`--url\` or \`WMA_URL\`, otherwise this
machine at \`PORT\`. The key is \`--key\`, \`WMA_API_KEY\` or \`WMA_API_KEY_FILE\`, otherwise that of the server on this machine:
\`API_KEYS\`, or the key file in \`DATA_DIR\`. \`.env\` in the working directory is also read. Over http to another machine
the key is sent unencrypted, and the command prints a warning.

Data are written to stdout, everything else to stderr: on a terminal a progress bar, otherwise a line every ten seconds. With
\`--json\` stdout is one JSON value, as the API returns it (\`export\` and \`events\`: one per line). Long tasks run on the server; Ctrl-C
ends only the display, and prints how to resume it. A \`<time>\` is a date (\`2026-11-20\`, \`2026-11-20T08:00:00+08:00\`)
or a duration from now (\`90m\`, \`24h\`, \`7d\`): in the past, but in the future for \`--until\` and \`--expires-before\`. Sentences are in Chinese if \`LANG\` begins with \`zh\`.

| exit code | means |
|---|---|
| 0 | success |
| 1 | success with findings: drift, a finding of the doctor, refused lines |
| 2 | wrong usage, or \`--yes\` is missing and there is no terminal for the confirmation |
| 3 | the server refused the request: unknown id, invalid value, or a status that does not allow the action |
| 4 | the key is missing or wrong, or does not allow the action |
| 5 | the server is unavailable |
| 78 | a mistake in the configuration (\`migrate\`) |
| 130 | ended by Ctrl-C |
`;

const nowhere = { write: () => true } as unknown as NodeJS.WriteStream;

type Translate = (english: string) => string;

/** Lets commander write the texts of a command's help in another language. */
function translateHelp(command: Command, translate: Translate): void {
  const standard = new Help();
  command.configureHelp({
    ...command.configureHelp(),
    styleTitle: translate,
    commandDescription: (one) => translate(standard.commandDescription(one)),
    subcommandDescription: (one) => translate(standard.subcommandDescription(one)),
    optionDescription: (option) => translate(standard.optionDescription(option)),
    argumentDescription: (argument) => translate(standard.argumentDescription(argument)),
    // Chinese has no spaces at which commander could break a line.
    boxWrap: (text) => text,
  });
}

/** Translates what a command adds after its help: sentences, and examples with a remark behind them. */
const translateEpilogue = (epilogue: string, translate: Translate): string =>
  epilogue.replaceAll(/^(?!\s)(.+)$|(?<=^ {2}wma .* {2,})(\S.*)$/gm, (text) => translate(text));

/** Returns the page: the common part, and the help of every command. */
export function cliPage(translate?: Translate): string {
  const program = buildProgram({
    stdin: process.stdin,
    stdout: nowhere,
    stderr: nowhere,
    settings: () => ({ url: '', key: undefined, keyFile: '', language: 'en' }),
    exit: () => undefined,
    onInterrupt: () => undefined,
  });
  const sections = program.commands
    .flatMap((one) => [one, ...one.commands])
    .map((command) => {
      // The global options are shown once, in the help of the program.
      command.configureHelp({ ...command.configureHelp(), showGlobalOptions: false });
      if (translate) translateHelp(command, translate);
      const [help = '', ...epilogue] = helpOf(command);
      const after = translate ? translateEpilogue(epilogue.join(''), translate) : epilogue.join('');
      return `## ${pathOf(command)}\n\n\`\`\`text\n${(help + after).trim().replaceAll('： ', '：')}\n\`\`\`\n`;
    });
  if (translate) translateHelp(program, translate);
  return [
    INTRODUCTION,
    `\`\`\`text\n${program.helpInformation().trim().replaceAll('： ', '：')}\n\`\`\`\n`,
    ...sections,
  ].join('\n');
}

/** `wma webhooks add`. */
const pathOf = (command: Command): string =>
  (command.parent ? `${pathOf(command.parent)} ` : '') + command.name();

/** Returns what a command prints as its help: first its own text, then what was added after it. */
function helpOf(command: Command): string[] {
  const printed: string[] = [];
  command.configureOutput({ writeOut: (text) => void printed.push(text) });
  command.outputHelp();
  return printed;
}
