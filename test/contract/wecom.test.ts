/** WeCom from the callback to the object: app messages, and customer service read page by page. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idOf } from '../../src/media.ts';
import { composeMessage, type Message } from '../../src/simulator/callbacks/messages.ts';
import { composeServiceMessage } from '../../src/simulator/callbacks/service-messages.ts';
import { assertArchived, openWecomFixture } from './wecom-fixture.ts';

const NEVER = new AbortController().signal;

describe('WeCom', () => {
  it('archives what users send to an app and to customer service, files included', async (t) => {
    const bundle = await openWecomFixture(t);
    const { account, simulator, callbacks, parts } = bundle;
    assert.equal(await callbacks.sendHandshake(NEVER), true, 'the echostr comes back decrypted');

    const sent: Message[] = (['image', 'voice', 'video'] as const).map((kind, seed) =>
      composeMessage(simulator, { account: account.account, kind, seed, withThumb: false }),
    );
    for (const message of sent) assert.equal((await callbacks.send(message, NEVER)).accepted, true);
    await assertArchived(
      bundle,
      sent.flatMap(({ mediaIds }) => mediaIds),
    );

    const service = (
      ['image', 'voice', 'video', 'file', 'json', 'html', 'merged', 'miniprogram', 'text'] as const
    ).map((kind, seed) =>
      composeServiceMessage(simulator, { account: account.account, openKfId: 'wk1', kind, seed: 100 + seed }),
    );
    // One callback speaks for all of them; its repeat finds nothing new.
    assert.equal((await callbacks.send(service.at(-1)!, NEVER, { twice: true })).accepted, true);
    const mediaIds = service.flatMap((message) => message.mediaIds);
    assert.equal(mediaIds.length, 10);
    await assertArchived(bundle, mediaIds);
    const { byStatus } = await parts.catalogue.stats.read(new Date());
    assert.equal(byStatus.archived, 13);
    const inRecord = await parts.catalogue.media.get(idOf(account.account, service[6]!.mediaIds[1]!));
    assert.equal(inRecord?.openId, 'wmSimulatedCustomer0000000000001');
    assert.equal(inRecord?.kind, 'file');
    const counted = await parts.metrics.passedOver.get();
    assert.ok(counted.values.some(({ labels, value }) => labels.type === 'text' && value > 0));
    assert.equal(
      await parts.catalogue.kfCursors.claim([account.account], new Date(), new Date(), new Date(0)),
      undefined,
      'nothing is left to read',
    );
  });
});
