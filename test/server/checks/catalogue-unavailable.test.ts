/** The catalogue stops: health, doctor, metric and alert show it, and that callbacks go into the spool, until it is back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf } from '../../../src/media.ts';
import { signatureOf } from '../../../src/simulator/callbacks/envelope.ts';
import { missing, startPostgres } from '../../machine/services.ts';
import { eventually } from '../../queue/handled.ts';
import { ACCOUNT, openCheckServer } from './check-server.ts';

const CODES = ['catalogue_away', 'spool_in_use'];
const MESSAGE =
  '<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>spooled</MediaId></xml>';
const skip = missing.postgresServer || missing.redisServer;

test('a catalogue that stops is shown with the use of the spool by all but the page, until it is back', {
  skip,
}, async (t) => {
  const postgres = await startPostgres(t);
  const g = postgres && (await openCheckServer(t, postgres.url));
  if (!g) return;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = signatureOf('callbacktoken', timestamp, '42');
  const query = new URLSearchParams({ signature, timestamp, nonce: '42' });

  await postgres.stop();
  const callback = await fetch(`${g.url}/wechat/${ACCOUNT}?${query}`, { method: 'POST', body: MESSAGE });
  assert.deepEqual([callback.status, await callback.text()], [200, 'success']);
  const areShown = async (yes: boolean) => {
    // The page shows that the database does not respond: it gets no statistics.
    const shown = await g.shown(CODES);
    return CODES.every((code) => shown.get(code)?.readyz === yes && shown.get(code)?.metric === yes);
  };
  await eventually('shown', () => areShown(true));
  const { ok, checks } = await g.doctor();
  assert.equal(ok, false);
  for (const code of CODES)
    assert.ok(checks.some((check) => check.code === code && check.message && check.advice));
  await g.alerted('catalogue_away', 'begun');

  await postgres.start();
  await eventually('no longer shown', () => areShown(false), 60_000);
  await g.alerted('catalogue_away', 'ended');
  assert.deepEqual(
    (await g.doctor()).checks.filter(({ code }) => code && CODES.includes(code)),
    [],
  );
  assert.ok(await g.context.catalogue.media.get(idOf(ACCOUNT, 'spooled')));
});
