// Two rules that need types: a promise that is neither awaited nor handled loses its error. Biome does all other
// linting; its own versions of these rules do not see Node's functions nor members of inferred types (the catalogue).
import tseslint from 'typescript-eslint';

/** Calls of node:test return promises that the runner itself awaits. */
const TEST_CALLS = ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'];

export default [
  { ignores: ['dist/', 'data/'] },
  {
    files: ['**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: TEST_CALLS }] },
      ],
      '@typescript-eslint/no-misused-promises': 'error',
    },
  },
];
