/** Accounts and media items for the tests of faults, and checks of what is left after them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';
import type { Kind, Reference } from '../../src/media.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { SimulatedAccount } from '../../src/simulator/accounts/access-tokens.ts';
import type { MediaRecipe } from '../../src/simulator/media/media-id.ts';
import { type Fixture, type Program, until } from '../contract/shapes.ts';

/** Returns an account derived from a name, always the same for one name. */
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

/** Returns an account of WeCom derived from a name; `entry` has its members of ACCOUNTS_FILE. Its media ids are the corp's. */
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

let seed = 0;

/** Returns a reference to a new media item that the account received at `createdAt`, by default now. */
export function received(
  fixture: Pick<Fixture, 'simulator'>,
  account: string,
  options: Partial<Omit<MediaRecipe, 'appId'>> = {},
): Reference {
  const { kind = 'voice', createdAt = systemClock.now(), ...recipe } = options;
  const mediaId = fixture.simulator.mint(account, { seed: ++seed, ...recipe, kind, createdAt });
  const known = KIND_OF[kind] ?? { kind: kind as Kind };
  return { account, mediaId, sentAt: createdAt, ...known } as Reference;
}

/** Resolves with size and sha256 of the file, in the form that the reference names. */
export async function digestOf({ simulator }: Pick<Fixture, 'simulator'>, input: Reference) {
  const rendition = input.variant === 'jssdk' ? 'jssdk' : 'plain';
  return (await simulator.digestOf(input.account, input.mediaId, rendition))!;
}

/** The simulator's access tokens. */
const ACCESS_TOKEN = /9\d_[A-Za-z0-9_-]{100}/;

export interface Opened {
  readonly fixture: Fixture;
  readonly program: Program;
}

/** Adds tests of what must be true after any fault; call it at the end of a suite. */
export function nothingIsLeftBehind(opened: () => Opened): void {
  it('the bucket contains the whole objects of the archived rows, and nothing else', async () => {
    const { fixture, program } = opened();
    const expected = new Map<string, string>();
    let cursor: string | undefined;
    do {
      const page = await program.parts.catalogue.media.list(
        { statuses: ['archived'] },
        { sort: 'sentAt', limit: 200, ...(cursor ? { cursor } : {}) },
      );
      for (const row of page.items) expected.set(row.objectKey!, row.sha256!);
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(new Map([...(await fixture.objects(program))].sort()), new Map([...expected].sort()));
    // The sweeper aborts the uploads of interrupted attempts.
    await until('no open upload in parts', async () => (await fixture.openUploads()) === 0);
  });

  it('no request went to a host that is not WeChat’s, and no link got a token, a cookie or a Referer', () => {
    const { foreignHostRequests, leaks } = opened().fixture.simulator.requestLog.report().totals;
    assert.deepEqual({ foreignHostRequests, leaks }, { foreignHostRequests: 0, leaks: 0 });
  });

  it('no log line contains a token or a secret', () => {
    const { fixture, program } = opened();
    const secrets = program.parts.accounts.all.flatMap(({ secret, token, encodingAesKey }) =>
      [secret, token, encodingAesKey].filter((text) => text !== undefined),
    );
    for (const line of fixture.logLines) {
      assert.doesNotMatch(line, ACCESS_TOKEN);
      for (const secret of secrets) assert.ok(!line.includes(secret), line);
    }
  });
}
