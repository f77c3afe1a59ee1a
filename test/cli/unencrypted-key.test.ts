/** The warning about a key that is sent unencrypted to another machine. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runWma } from './wma.ts';

it('warns of a key that is sent unencrypted, except to this machine', async () => {
  const stderrOf = async (url: string) => {
    const { code, stderr } = await runWma(['accounts', '--url', url, '--key', 'a-key'], { env: {} });
    assert.equal(code, 5, stderr);
    return stderr;
  };
  // .invalid has no address: nothing leaves this machine.
  assert.match(await stderrOf('http://archiver.invalid'), /sent unencrypted.*Use https/);
  for (const url of ['http://127.0.0.1:1', 'http://localhost:1', 'https://archiver.invalid'])
    assert.doesNotMatch(await stderrOf(url), /unencrypted/, url);
});
