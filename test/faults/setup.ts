/** Accounts and media for faults, and what every one of them leaves behind. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';
import type { Kind, Reference } from '../../src/media.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { SimulatedAccount } from '../../src/simulator/accounts/access-tokens.ts';
import type { MediaRecipe } from '../../src/simulator/media/media-id.ts';
import { type Fixture, type Program, until } from '../contract/shapes.ts';

/** An account made of a name, the same each time. */
export function accountFor(name: string): SimulatedAccount & { encodingAesKey: string } {
  const hex = createHash('sha256').update(name).digest('hex');
  const account = `wx${hex.slice(0, 16)}`;
  return {
    account,
    appId: account,
    secret: `app-secret-${hex.slice(16, 40)}`,
    token: `callback${hex.slice(40)}`,
    encodingAesKey: hex.slice(0, 43),
  };
}

/** The same of WeCom, as ACCOUNTS_FILE wants it: identity is corpId-agentId, and what is minted is the corporation's. */
export function wecomAccountFor(name: string) {
  const { account: _, appId, ...rest } = accountFor(name);
  const corpId = `ww${appId.slice(2)}`;
  const agentId = '1000002';
  return {
    ...rest,
    account: `${corpId}-${agentId}`,
    appId: corpId,
    product: 'wecom' as const,
    entry: { appId: undefined, corpId, agentId },
  };
}

const KIND_OF: Readonly<Partial<Record<string, Partial<Reference>>>> = {
  voice16k: { kind: 'voice', variant: '16k' },
  jssdkVoice: { kind: 'voice', variant: 'jssdk' },
  silkVoice: { kind: 'voice' },
  jsonFile: { kind: 'file' },
  htmlFile: { kind: 'file' },
};

let seeds = 0;

/** A reference of a media that the account has just received, or at `createdAt`; every call another one. */
export function received(
  ground: Pick<Fixture, 'simulator'>,
  account: string,
  wish: Partial<Omit<MediaRecipe, 'appId'>> = {},
): Reference {
  const { kind = 'voice', createdAt = systemClock.now(), ...recipe } = wish;
  const mediaId = ground.simulator.mint(account, { seed: ++seeds, ...recipe, kind, createdAt });
  const known = KIND_OF[kind] ?? { kind: kind as Kind };
  return { account, mediaId, sentAt: createdAt, ...known } as Reference;
}

/** What the file must be, in the form that was asked for. */
export async function digestOf({ simulator }: Pick<Fixture, 'simulator'>, input: Reference) {
  const rendition = input.variant === 'jssdk' ? 'jssdk' : 'plain';
  return (await simulator.digestOf(input.account, input.mediaId, rendition))!;
}

/** The simulator's access tokens. */
const ACCESS_TOKEN = /9\d_[A-Za-z0-9_-]{100}/;

/** Tests of what must be true whatever was played; to stand at the end of a suite. */
export function nothingIsLeftBehind(opened: () => { ground: Fixture; program: Program }): void {
  it('the bucket holds the objects of archived rows, whole, and nothing else', async () => {
    const { ground, program } = opened();
    const named = new Map<string, string>();
    let cursor: string | undefined;
    do {
      const page = await program.parts.catalogue.media.list(
        { statuses: ['archived'] },
        { sort: 'sentAt', limit: 200, ...(cursor ? { cursor } : {}) },
      );
      for (const row of page.items) named.set(row.objectKey!, row.sha256!);
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(new Map([...(await ground.objects(program))].sort()), new Map([...named].sort()));
    // What an interrupted try left open is the sweeper's.
    await until('no upload in parts left open', async () => (await ground.openUploads()) === 0);
  });

  it('nobody was asked who is not WeChat, and no link was told a token, a cookie or where we come from', () => {
    const { foreignHostRequests, leaks } = opened().ground.simulator.requestLog.report().totals;
    assert.deepEqual({ foreignHostRequests, leaks }, { foreignHostRequests: 0, leaks: 0 });
  });

  it('no log line holds a token or a secret', () => {
    const { ground, program } = opened();
    const secrets = program.parts.accounts.all.flatMap(({ secret, token, encodingAesKey }) =>
      [secret, token, encodingAesKey].filter((text) => text !== undefined),
    );
    for (const line of ground.logLines) {
      assert.doesNotMatch(line, ACCESS_TOKEN);
      for (const secret of secrets) assert.ok(!line.includes(secret), line);
    }
  });
}
