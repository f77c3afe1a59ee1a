/** Every way in which callbacks arrive, on every shape: one row, one object, one download for each media. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../src/media.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { callbackUrlOf } from '../../src/server/callbacks/callback-url.ts';
import { openServer } from '../../src/server/start.ts';
import { createCallbacks } from '../../src/simulator/callbacks/callbacks.ts';
import {
  DELIVERY_PATTERN_NAMES,
  DELIVERY_PATTERNS,
  type DeliveryPattern,
  type DeliveryPatternName,
} from '../../src/simulator/callbacks/delivery-patterns.ts';
import { composeMessage, type MessageSpec } from '../../src/simulator/callbacks/messages.ts';
import type { CallbackMode } from '../../src/simulator/callbacks/signing.ts';
import { type Fixture, type Program, SHAPES, untilEnded } from '../contract/shapes.ts';
import { accountFor, nothingIsLeftBehind } from './setup.ts';

const LIFE = { mediaLifetimeMs: 72 * 3_600_000, timeScale: 60 };
const LIMIT_MS = 60_000;
const ACCOUNT = accountFor('deliveries');
const MODES: readonly CallbackMode[] = ['safe', 'compatible', 'plain'];
/** Eight media in six messages; what carries none is answered like the others. */
const WISHES: readonly Omit<MessageSpec, 'account' | 'seed'>[] = [
  { kind: 'image' },
  { kind: 'text' },
  { kind: 'voice', with16k: true },
  { kind: 'video' },
  { kind: 'event' },
  { kind: 'shortvideo' },
  { kind: 'voice' },
];

describe('deliveries of callbacks', () => {
  for (const shape of SHAPES) {
    describe(`with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
      let ground: Fixture;
      let program: Program;
      let url: string;
      let seeds = 0;
      before(async () => {
        ground = await shape.open({ accounts: [ACCOUNT], life: LIFE });
        program = await ground.start({ env: { PORT: '0', FETCH_IDLE_TIMEOUT: '5s' } });
        const server = await openServer(program.parts, { keys: [] });
        url = callbackUrlOf(server.url, ACCOUNT.account);
      });
      after(() => ground?.close());

      async function deliver(how: DeliveryPatternName, mode: CallbackMode): Promise<void> {
        const { requestLog } = ground.simulator;
        const log = createLog({ level: 'silent', program: 'test', secrets: [] });
        const callbacks = createCallbacks({
          account: ACCOUNT,
          url,
          mode,
          clock: systemClock,
          log,
          requestLog: requestLog,
        });
        const messages = WISHES.map((wish) =>
          composeMessage(ground.simulator, { account: ACCOUNT.account, seed: ++seeds, ...wish }),
        );
        const { plan }: DeliveryPattern = DELIVERY_PATTERNS[how];
        const deliveries = await callbacks.sendAll(messages, how, AbortSignal.timeout(LIMIT_MS));
        assert.equal(deliveries.length, plan(messages, Math.random).flat().length);
        for (const { statuses } of deliveries) assert.deepEqual(statuses, [200], 'answered success at once');

        const mediaIds = messages.flatMap((message) => message.mediaIds);
        assert.equal(new Set(mediaIds).size, 8);
        const rows = await untilEnded(
          program,
          mediaIds.map((mediaId) => idOf(ACCOUNT.account, mediaId)),
          LIMIT_MS,
        );
        const { media } = requestLog.report();
        for (const row of rows) {
          assert.equal(row.status, 'archived', JSON.stringify(row.failure));
          const digest = await ground.simulator.digestOf(ACCOUNT.account, row.mediaId!);
          assert.deepEqual({ sha256: row.sha256, sizeBytes: row.sizeBytes }, digest);
          assert.equal(media[row.mediaId!]?.requests, 1, 'asked for once, however often it was announced');
        }
      }

      for (const [index, how] of DELIVERY_PATTERN_NAMES.entries()) {
        const mode = MODES[index % MODES.length]!;
        it(`${how}, ${mode}: ${DELIVERY_PATTERNS[how].description}`, () => deliver(how, mode));
      }

      it('there is a row for each media, and no other', async () => {
        const { items } = await program.parts.catalogue.media.list({}, { sort: 'sentAt', limit: 200 });
        assert.equal(items.length, DELIVERY_PATTERN_NAMES.length * 8);
      });
      nothingIsLeftBehind(() => ({ ground, program }));
    });
  }
});
