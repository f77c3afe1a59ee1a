/** kill -9 in the middle of a redrive, and a new process: no dead letter is left out, none is tried again twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folderForTest, startProgram, until, untilReady } from './programs.ts';
import { setup } from './wechat.ts';

const COUNT = 40;

test('a redrive survives kill -9', { timeout: 240_000 }, async (t) => {
  const { url, env, send, rows, row } = await setup(t);
  const folder = await folderForTest(t);
  const start = async () => {
    const program = startProgram(t, { file: 'src/main.ts', folder, env: { ...env, LOG_LEVEL: 'warn' } });
    await untilReady(url);
    return program;
  };
  const redrives = async (path = '', body?: unknown) => {
    const answer = await fetch(`${url}/v1/redrives${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${env.API_KEYS.split(':')[1]}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return (await answer.json()) as {
      id: string;
      matched: number;
      state: string;
      done: number;
      skipped: number;
    };
  };

  const first = await start();
  // WeChat denies each of them once; a picture would be fetched by its link.
  for (let n = 0; n < COUNT; n++) await send({ kind: 'voice', fault: { name: 'invalid', times: 1 } });
  await until('all are dead', async () => (await rows('&status=dead')).length === COUNT);
  const { id, matched } = await redrives('', {
    filter: { errcode: 40007 },
    rate: 10,
    reason: 'denied by mistake',
  });
  assert.equal(matched, COUNT);
  await until('a beginning', async () => (await redrives(`/${id}`)).done > 0);
  await first.end('SIGKILL');

  await start();
  const left = await redrives(`/${id}`);
  assert.ok(left.state === 'running' || left.done === COUNT, JSON.stringify(left));
  const ended = await until('its end', async () => {
    const now = await redrives(`/${id}`);
    return now.state === 'done' && now;
  });
  assert.deepEqual([ended.done, ended.skipped], [COUNT, 0]);
  const archived = await until('all are archived', async () => {
    const found = await rows('&status=archived');
    return found.length === COUNT && found;
  });
  for (const one of archived) {
    const { redrives: times, lastRedrive } = (await row(one.id)) as unknown as {
      redrives: number;
      lastRedrive: { redrive: string; reason: string };
    };
    assert.deepEqual([times, lastRedrive.redrive, lastRedrive.reason], [1, id, 'denied by mistake']);
  }
});
