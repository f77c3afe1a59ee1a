/** Sends callbacks in every delivery pattern: one row, one object and one download for each media item. */
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
import { type Fixture, type Program, runsWhole, SHAPES, untilEnded } from '../contract/shapes.ts';
import { accountFor, nothingIsLeftBehind } from './setup.ts';

const LIFE = { mediaLifetimeMs: 72 * 3_600_000, timeScale: 60 };
const LIMIT_MS = 60_000;
const ACCOUNT = accountFor('deliveries');
const MODES: readonly CallbackMode[] = ['safe', 'compatible', 'plain'];
/** Messages with eight files in all; those without a file get the same response as the others. */
const MESSAGES: readonly Omit<MessageSpec, 'account' | 'seed'>[] = [
  { kind: 'image' },
  { kind: 'text' },
  { kind: 'voice', with16k: true },
  { kind: 'video' },
  { kind: 'event' },
  { kind: 'shortvideo' },
  { kind: 'voice' },
];
const FILES = 8;
/** On every shape: repeats one after the other, and at the same time, meet the unique row of the database. */
const SMOKE_PATTERNS: readonly DeliveryPatternName[] = ['redelivered', 'duplicated', 'atOnce'];

describe('delivery patterns of callbacks', () => {
  for (const shape of SHAPES) {
    const patterns = runsWhole(shape) ? DELIVERY_PATTERN_NAMES : SMOKE_PATTERNS;
    describe(`with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
      let fixture: Fixture;
      let program: Program;
      let url: string;
      let seed = 0;
      before(async () => {
        fixture = await shape.open({ accounts: [ACCOUNT], life: LIFE });
        program = await fixture.start({ env: { PORT: '0', FETCH_IDLE_TIMEOUT: '5s' } });
        const server = await openServer(program.parts, { keys: [] });
        url = callbackUrlOf(server.url, ACCOUNT.account);
      });
      after(() => fixture?.close());

      async function deliver(pattern: DeliveryPatternName, mode: CallbackMode): Promise<void> {
        const { simulator } = fixture;
        const { requestLog } = simulator;
        const log = createLog({ level: 'silent', program: 'test', secrets: [] });
        const callbacks = createCallbacks({
          account: ACCOUNT,
          url,
          mode,
          clock: systemClock,
          log,
          requestLog,
        });
        const messages = MESSAGES.map((spec) =>
          composeMessage(simulator, { account: ACCOUNT.account, seed: ++seed, ...spec }),
        );
        const { plan }: DeliveryPattern = DELIVERY_PATTERNS[pattern];
        const deliveries = await callbacks.sendAll(messages, pattern, AbortSignal.timeout(LIMIT_MS));
        assert.equal(deliveries.length, plan(messages, Math.random).flat().length);
        for (const { statuses } of deliveries)
          assert.deepEqual(statuses, [200], 'accepted at the first attempt');

        const mediaIds = messages.flatMap((message) => message.mediaIds);
        assert.equal(new Set(mediaIds).size, FILES);
        const ids = mediaIds.map((mediaId) => idOf(ACCOUNT.account, mediaId));
        const rows = await untilEnded(program, ids, LIMIT_MS);
        const { media } = requestLog.report();
        for (const { status, failure, mediaId, sha256, sizeBytes } of rows) {
          assert.equal(status, 'archived', JSON.stringify(failure));
          assert.deepEqual({ sha256, sizeBytes }, await simulator.digestOf(ACCOUNT.account, mediaId!));
          assert.equal(media[mediaId!]?.requests, 1, 'downloaded once');
        }
      }

      for (const [index, pattern] of patterns.entries()) {
        const mode = MODES[index % MODES.length]!;
        const { description } = DELIVERY_PATTERNS[pattern];
        it(`${pattern}, ${mode}: ${description}: every file is archived once`, () => deliver(pattern, mode));
      }

      it('there is one row for each media item, and no other', async () => {
        const { items } = await program.parts.catalogue.media.list({}, { sort: 'sentAt', limit: 200 });
        assert.equal(items.length, patterns.length * FILES);
      });
      nothingIsLeftBehind(() => ({ fixture, program }));
    });
  }
});
