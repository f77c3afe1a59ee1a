/** WEBHOOK_URL at the start of every program. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { it } from 'node:test';
import { createAccounts } from '../../src/account.ts';
import { openWebhooks } from '../../src/app/webhooks/parts.ts';
import { loadConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const open = (url: string, allowed = '') =>
  openWebhooks({
    config: loadConfig(
      {
        DATA_DIR: tmpdir(),
        WEBHOOK_URL: url,
        WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
        WEBHOOK_ALLOW_HOSTS: allowed,
      },
      { dotEnvFolder: tmpdir() },
    ),
    accounts: createAccounts([]),
    clock: systemClock,
    shutdown: { step: () => undefined },
  });

it('a WEBHOOK_URL to which nothing could be sent ends the start with the rule, and without its key', () => {
  for (const [url, rule] of [
    ['http://example.com/?key=not-for-logs', /^WEBHOOK_URL must begin with https:/],
    ['https://10.0.0.7/?key=not-for-logs', /^WEBHOOK_URL must be a public address/],
    ['https://user:not-for-logs@example.com/', /^WEBHOOK_URL must not contain a user name/],
  ] as const)
    assert.throws(
      () => open(url),
      ({ message, exitCode }: Error & { exitCode?: number }) =>
        rule.test(message) && exitCode === 78 && !message.includes('not-for-logs'),
    );
});

it('a private WEBHOOK_URL is accepted where WEBHOOK_ALLOW_HOSTS names it', () => {
  assert.ok(open('http://10.0.0.7/hook', '10.0.0.0/8'));
});
