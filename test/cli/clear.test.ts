/** A key that travels over http to another machine is warned of; beside us it is not. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runWma } from './wma.ts';

it('warns of a key in clear, but on this machine', async () => {
  const say = async (url: string) => {
    const { code, stderr } = await runWma(['accounts', '--url', url, '--key', 'a-key'], { env: {} });
    assert.equal(code, 5, stderr);
    return stderr;
  };
  // .invalid has no address: nothing leaves this machine.
  assert.match(await say('http://archiver.invalid'), /travels in clear.*Use https/);
  for (const url of ['http://127.0.0.1:1', 'http://localhost:1', 'https://archiver.invalid'])
    assert.doesNotMatch(await say(url), /in clear/, url);
});
