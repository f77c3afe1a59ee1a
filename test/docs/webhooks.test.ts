/** The receivers of docs/events.md, run as they stand: they accept what we send and refuse what is forged. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { DELIVERY_STATES } from '../../src/catalogue/webhooks/delivery-row.ts';
import { RETRY_DELAYS_MS } from '../../src/pipeline/webhooks/retry-policy.ts';
import { signedHeaders } from '../../src/pipeline/webhooks/signature.ts';
import { createSecret } from '../../src/signing-secret.ts';

const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');

const unable = (program: string): string | false =>
  spawnSync(program, ['--version'], { stdio: 'ignore', timeout: 20_000 }).status === 0
    ? false
    : `no ${program} here`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

for (const [language, file, argumentsOf, program] of [
  ['js', 'receiver.mjs', (path: string) => [path], process.execPath],
  ['python', 'receiver.py', (path: string) => [path], 'python3'],
  ['php', 'receiver.php', (path: string, port: number) => ['-S', `127.0.0.1:${port}`, path], 'php'],
] as const) {
  test(`the receiver in ${language} accepts what is signed and refuses the rest`, {
    skip: unable(program),
  }, async (t) => {
    const code = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].find(
      ([, tag, text]) => tag === language && text!.includes('WEBHOOK_SECRET'),
    )![2]!;
    const folder = await mkdtemp(join(tmpdir(), 'wma-receiver-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, file);
    await writeFile(path, code);
    const secret = createSecret();
    const port = await freePort();
    const child: ChildProcess = spawn(program, argumentsOf(path, port), {
      env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: secret },
      stdio: 'ignore',
    });
    t.after(() => child.kill('SIGKILL'));

    const body = JSON.stringify({
      id: 'evt_1',
      type: 'media.archived',
      data: { id: 'm_1', fileName: '照片.jpg' },
    });
    const message = (sentAt = new Date()) => ({ id: 'evt_1', sentAt, body });
    async function send(headers: Record<string, string>, text = body): Promise<number> {
      const deadline = performance.now() + 20_000;
      for (;;) {
        try {
          return (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: text })).status;
        } catch (error) {
          // It is starting.
          if (performance.now() > deadline) throw error;
          await wait(50);
        }
      }
    }
    const good = signedHeaders(message(), [secret]);
    assert.equal(await send(good), 204);
    assert.equal(await send(signedHeaders(message(), [createSecret(), secret])), 204, 'during a rotation');
    assert.equal(await send(signedHeaders(message(), [createSecret()])), 400, 'of another secret');
    assert.equal(await send(good, `${body} `), 400, 'a changed body');
    assert.equal(await send({ ...good, 'webhook-id': 'evt_2' }), 400, 'another id');
    assert.equal(
      await send(signedHeaders(message(new Date(Date.now() - 400_000)), [secret])),
      400,
      'too old',
    );
    assert.equal(await send({ ...good, 'webhook-timestamp': 'x' }), 400, 'no time');
    assert.equal(await send({}), 400, 'no signature');
    assert.equal(
      await send({ ...good, 'webhook-signature': `v2,${good['webhook-signature'].slice(3)}` }),
      400,
    );
  });
}

test('the table of attempts is that of the program', () => {
  const units: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000 };
  const shown = [...page.matchAll(/^\| \d+ \| (\d+) (s|min|h) \|$/gm)].map(
    ([, n, unit]) => Number(n) * units[unit!]!,
  );
  assert.deepEqual(shown, RETRY_DELAYS_MS);
  assert.ok(DELIVERY_STATES.includes('failed'));
});
