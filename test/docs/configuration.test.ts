import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import { configurationPage, envExample } from '../../docs/generate/configuration.ts';
import { VARIABLES, type Variable } from '../../src/config/schema.ts';

const REGENERATE = 'is not what the tables say: run `node bin/run.js docs/generate/main.ts`';

for (const [path, page] of [
  ['.env.example', envExample],
  ['docs/configuration.md', configurationPage],
] as const) {
  test(`${path} is what the tables say`, () => {
    const written = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    assert.ok(written === page(), `${path} ${REGENERATE}`);
  });
}

test('.env.example changes nothing as it stands, and uncommented every example is read back', () => {
  assert.deepEqual({ ...parseEnv(envExample()) }, {});
  const uncommented = parseEnv(envExample().replaceAll(/^#(?=[A-Z])/gm, ''));
  const ours = Object.entries<Variable>(VARIABLES).filter(([, variable]) => !variable.foreign);
  const examples = Object.fromEntries(ours.map(([name, variable]) => [name, variable.example]));
  assert.deepEqual({ ...uncommented }, examples);
});

test('every example and every default is one that the program accepts', () => {
  for (const [name, variable] of Object.entries<Variable>(VARIABLES)) {
    for (const text of [variable.example, variable.default ?? variable.example]) {
      assert.ok('value' in variable.kind.parse(text), `${name}=${text}`);
    }
  }
});
