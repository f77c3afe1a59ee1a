/** docs/cli.md, written from the program itself. */
import { buildProgram } from '../../src/cli/program.ts';

const INTRODUCTION = `# wma, the command line

The service from a terminal: it speaks to a server over HTTP, wherever that is.

\`\`\`sh
npx wma list --status dead            # in this repository, whatever Node the machine has
npm run wma -- list --status dead     # the same
docker compose exec server node bin/wma.js list --status dead
\`\`\`

The published package brings \`wma\` too, without the service. It finds its server in \`--url\` or \`WMA_URL\`, else on this
machine at \`PORT\`; its key in \`--key\`, \`WMA_API_KEY\` or \`WMA_API_KEY_FILE\`, else in what the server beside it has:
\`API_KEYS\`, or the key file in \`DATA_DIR\`. \`.env\` in the working directory is read too. Over http to another machine
the key travels in clear, and it says so.

Data go to stdout, everything else to stderr: a progress bar on a terminal, elsewhere a line every ten seconds. With
\`--json\` stdout is one JSON value, as the API returns it (\`export\`: one a line). Long work runs on the server; Ctrl-C
ends only the display, and prints how to resume it. A \`<time>\` is a date (\`2026-11-20\`, \`2026-11-20T08:00:00+08:00\`)
or a duration from now (\`90m\`, \`24h\`, \`7d\`): ago, but ahead for \`--until\` and \`--expires-before\`. Sentences are in Chinese where \`LANG\` begins with \`zh\`.

| exit code | means |
|---|---|
| 0 | done |
| 1 | done, with findings: drift, a finding of the doctor, refused lines |
| 2 | wrong usage, or no terminal to confirm on and \`--yes\` is missing |
| 3 | the server refused: unknown id, invalid value, or a status that does not allow it |
| 4 | the key is missing, wrong, or does not allow this |
| 5 | the server is unavailable |
| 78 | a mistake in the configuration (\`migrate\`) |
| 130 | ended by Ctrl-C |
`;

const nowhere = { write: () => true } as unknown as NodeJS.WriteStream;

/** The page: what is common, and every command's own help. */
export function cliPage(): string {
  const program = buildProgram({
    stdin: process.stdin,
    stdout: nowhere,
    stderr: nowhere,
    settings: () => ({ url: '', key: undefined, keyFile: '', language: 'en' }),
    exit: () => undefined,
    onInterrupt: () => undefined,
  });
  const sections = program.commands.map((command) => {
    // Shown once, with the program.
    command.configureHelp({ ...command.configureHelp(), showGlobalOptions: false });
    const help: string[] = [];
    command.configureOutput({ writeOut: (text) => void help.push(text) });
    command.outputHelp();
    return `## wma ${command.name()}\n\n\`\`\`text\n${help.join('').trim()}\n\`\`\`\n`;
  });
  return [INTRODUCTION, `\`\`\`text\n${program.helpInformation().trim()}\n\`\`\`\n`, ...sections].join('\n');
}
