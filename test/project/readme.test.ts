/** What the READMEs promise is there: scripts, files, variables, routes, and requests the API takes. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseApiKeys } from '../../src/config/api-keys.ts';
import { VARIABLES, type Variable } from '../../src/config/schema.ts';
import { referenceSchema } from '../../src/media.ts';
import { listQuery } from '../../src/server/routes/media/list-query.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGES = ['README.md', 'README.zh-CN.md'];
/** Variables of the reader's own shell and program. */
const READERS_OWN = new Set(['KEY', 'ID', 'ARCHIVER_KEY', 'LANG']);

const blocksOf = (page: string) => [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([block]) => block);
/** Each once, in order. */
const all = (page: string, pattern: RegExp) => [
  ...new Set([...page.matchAll(pattern)].map((match) => match[1] ?? match[0])),
];

/** Every path that a file of src/server registers, `:id` and `*` standing for anything. */
async function routes(): Promise<RegExp[]> {
  const found: RegExp[] = [];
  for await (const file of glob('src/server/{routes/**/*,app}.ts', { cwd: ROOT })) {
    for (const [, path] of (await readFile(join(ROOT, file), 'utf8')).matchAll(/'(\/[\w/:*.-]*)'/g)) {
      found.push(new RegExp(`^${path!.replaceAll('.', '\\.').replaceAll(/:\w+|\*/g, '[^/]+')}$`));
    }
  }
  assert.ok(found.length > 10, 'routes were found in the sources');
  return found;
}

for (const name of PAGES) {
  const page = read(name);
  describe(name, () => {
    test('names scripts that package.json has', () => {
      const scripts = Object.keys(JSON.parse(read('package.json')).scripts);
      const named = all(page, /\bnpm (?:run )?([a-z][\w:]*)/g).filter((script) => script !== 'ci');
      assert.ok(named.length >= 6);
      assert.deepEqual(
        named.filter((script) => !scripts.includes(script)),
        [],
      );
    });

    test('links to files that are there', () => {
      const targets = all(page, /\]\(([^)\s]+)\)/g).filter((target) => !/^(https?:|#)/.test(target));
      assert.ok(targets.length >= 8);
      assert.deepEqual(
        targets.filter((target) => !existsSync(join(ROOT, dirname(name), target))),
        [],
      );
    });

    test('names files of this repository that are there', () => {
      const files = all(page, /(?<![\w/.-])(?:deploy|docs|src|workers|bin)\/[\w./-]*\w/g);
      assert.ok(files.length >= 5);
      assert.deepEqual(
        files.filter((file) => !existsSync(join(ROOT, file))),
        [],
      );
    });

    test('names variables that the program reads', () => {
      const known = new Set(
        Object.entries<Variable>(VARIABLES).flatMap(([variable, { secret, foreign }]) =>
          secret && !foreign ? [variable, `${variable}_FILE`] : [variable],
        ),
      );
      const quoted = all(page, /`([A-Z][A-Z0-9_]{2,})(?:=[^`]*)?`/g);
      const named = new Set([...quoted, ...all(page, /\b[A-Z0-9]+(?:_[A-Z0-9]+)+\b/g)]);
      assert.ok(named.size > 20);
      assert.deepEqual(
        [...named].filter((variable) => !known.has(variable) && !READERS_OWN.has(variable)),
        [],
      );
    });

    test('gives values that the program takes', () => {
      const given = [...page.matchAll(/`([A-Z][A-Z0-9_]+)=([^`]+)`/g)].filter(
        ([, variable]) => !READERS_OWN.has(variable!),
      );
      assert.ok(given.length >= 3);
      for (const [, variable, value] of given) {
        const text = value!.replace('…', 'a-secret-that-is-long-enough');
        if (variable === 'API_KEYS') assert.ok('value' in parseApiKeys(text), text);
        else if (!variable!.endsWith('_FILE')) {
          assert.ok('value' in VARIABLES[variable as keyof typeof VARIABLES].kind.parse(text), text);
        }
      }
    });

    test('names routes that the server has', async () => {
      const known = await routes();
      const named = all(
        page,
        /(?<![\w.}>:])(?:\/v1|\/wechat|\/readyz|\/metrics|\/docs|\/queues)(?:\/[\w${}-]+)*/g,
      )
        .concat(all(page, /(?::8080|\$\{archiver\}|example\.com)(\/[\w/${}-]+)/g))
        // "/wechat/ alone" means what stands below.
        .filter((path) => path !== '/wechat');
      assert.ok(named.length >= 6);
      assert.deepEqual(
        named.filter(
          (path) => !known.some((route) => route.test(path.replaceAll(/[$]?\{?\$?[\w-]+\}/g, 'x'))),
        ),
        [],
      );
    });

    test('lists with parameters that the API takes', () => {
      const queries = all(page, /\/v1\/media\?([^"`\s]+)/g);
      assert.equal(queries.length, 3);
      for (const query of queries) {
        const parsed = listQuery.safeParse(
          Object.fromEntries(new URLSearchParams(query.replaceAll(/\$\{[^}]*\}/g, 'x'))),
        );
        assert.ok(parsed.success, `${query}: ${parsed.error?.message}`);
      }
    });

    test('posts a body that the API takes', () => {
      const bodies = all(page, /-d '(\{[^']*\})'/g);
      assert.equal(bodies.length, 1);
      for (const body of bodies) referenceSchema.parse(JSON.parse(body));
    });
  });
}

test('both READMEs hold the same code', () => {
  const [english, chinese] = PAGES.map((name) => blocksOf(read(name)));
  assert.ok(english!.length >= 9);
  // What a terminal shows is in the language of the page.
  const isOutput = (block: string) => block.startsWith('```text\n');
  assert.deepEqual(chinese!.map(isOutput), english!.map(isOutput));
  assert.deepEqual(
    chinese!.filter((block) => !isOutput(block)),
    english!.filter((block) => !isOutput(block)),
  );
});

test('both READMEs name the same variables, routes, files and links', () => {
  const [english, chinese] = PAGES.map((name) => {
    const text = read(name).replaceAll(/^```.*?^```$/gms, '');
    const words = all(text, /`([^`]+)`/g).filter((word) => /[A-Z_/]/.test(word));
    const links = all(text, /\]\(((?!README)[^)]+)\)/g);
    // The Chinese README links to the Chinese pages.
    return [...words, ...links.map((link) => link.replace(/^docs\/zh\//, 'docs/'))].sort();
  });
  assert.deepEqual(chinese, english);
});

test('every relative link of the other pages leads to a file', async () => {
  const broken: string[] = [];
  for await (const file of glob(['*.md', 'docs/**/*.md'], { cwd: ROOT })) {
    for (const target of all(read(file), /\]\(([^)\s]+)\)/g)) {
      if (!/^(https?:|#)/.test(target) && !existsSync(join(ROOT, dirname(file), target.replace(/#.*/, '')))) {
        broken.push(`${file}: ${target}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});
