/** What a whole run leaves behind in logs, rows and jobs: none of it is a secret. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  A,
  ACCOUNTS,
  API_SECRET,
  B,
  type Fixture,
  idOfInput,
  type Program,
  receive,
  runsWhole,
  SHAPES,
  until,
  untilEnded,
} from './shapes.ts';

const TABLES = ['media', 'attempt', 'account', 'lease', 'media_count', 'migration'];

// What a job holds is the same on every queue.
for (const shape of SHAPES.filter(runsWhole)) {
  describe(`secrets with ${shape.name}`, { skip: shape.skip, timeout: 120_000 }, () => {
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      fixture = await shape.open();
      program = await fixture.start({ env: { LOG_LEVEL: 'trace' } });
    });
    after(() => fixture?.close());

    /** Returns the token that WeChat has issued last. */
    async function tokenOf(appId: string): Promise<string> {
      const { secret } = ACCOUNTS.find((account) => account.appId === appId)!;
      const body = JSON.stringify({ grant_type: 'client_credential', appid: appId, secret });
      const answer = await fetch(`${fixture.simulator.url}/cgi-bin/stable_token`, { method: 'POST', body });
      return ((await answer.json()) as { access_token: string }).access_token;
    }

    it('keeps them out of every log line, row and job', async () => {
      const behaviours = ['tokenRefused', 'shortBody', 'html200', 'http502', 'invalid', 'none'] as const;
      const inputs = behaviours.map((name) => receive(fixture.simulator, { fault: { name, times: 1 } }));
      const dead = receive(fixture.simulator, { fault: { name: 'invalid' } });
      const videos = ['videoUrl', 'videoUrlHtml'].map((name) =>
        receive(fixture.simulator, { kind: 'video', fault: { name: name as 'videoUrl', times: 1 } }),
      );
      const first = await program.parts.accept([...inputs, dead, ...videos]);
      await untilEnded(
        program,
        first.map(({ id }) => id),
      );
      const tokens = [await tokenOf(A)];
      fixture.simulator.invalidateTokens(A);
      const later = await program.parts.accept([receive(fixture.simulator)]);
      await untilEnded(
        program,
        later.map(({ id }) => id),
      );
      fixture.simulator.setAccountWideFault(B, { name: 'errcode', amount: 40164 });
      const [held] = await program.parts.accept([receive(fixture.simulator, { account: B })]);
      await until(
        'the hold',
        async () => (await program.parts.catalogue.media.get(held!.id))?.waiting?.reason === 'accountHeld',
      );
      await program.board.add('archive', { v: 1, secret: API_SECRET.slice(0, 3) }, { jobId: 'hostile' });
      await until('its failure', async () => (await program.board.getJob('hostile'))?.failedReason);
      tokens.push(await tokenOf(A), await tokenOf(B));
      assert.equal(new Set(tokens).size, 3);

      const jobs = (await program.board.getJobs()).map((job) => JSON.stringify(job.toJSON()));
      const rows: string[] = [];
      for (const table of TABLES) {
        const found = await program.parts.database.query<{ row: unknown }>(
          `SELECT to_jsonb(t) AS row FROM wma.${table} AS t`,
        );
        rows.push(...found.map(({ row }) => JSON.stringify(row)));
      }
      await program.close();

      const seen = { logs: fixture.logLines.join(''), rows: rows.join('\n'), jobs: jobs.join('\n') };
      // That it was looked at at all.
      for (const [where, text] of Object.entries(seen)) assert.ok(text.includes(idOfInput(dead)), where);
      const secrets = {
        'app secret': ACCOUNTS.map(({ secret }) => secret),
        'callback token': ACCOUNTS.map(({ token }) => token),
        'AES key': ACCOUNTS.map(({ encodingAesKey }) => encodingAesKey),
        'access token': tokens,
        'S3 secret': [await fixture.secret()],
        'API key': [API_SECRET],
        'video link': ['vkey='],
        'signed URL': ['X-Amz-Signature='],
      };
      for (const [where, text] of Object.entries(seen)) {
        for (const [what, values] of Object.entries(secrets)) {
          assert.ok(!values.some((value) => text.includes(value)), `${what} in the ${where}`);
        }
      }
    });
  });
}
