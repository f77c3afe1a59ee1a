import type { TestContext } from 'node:test';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { openSimulator, type SimulatorOptions } from '../../src/simulator/server.ts';

export const ACCOUNT = {
  account: 'wx0123456789abcdef',
  appId: 'wx0123456789abcdef',
  secret: 'a-secret-of-the-simulator',
  token: 'AAAAA',
  encodingAesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
};
export const OTHER = { ...ACCOUNT, account: 'wx2', appId: 'wx2', secret: 'another-secret' };

/** Two apps of one corp. */
export const WECOM = {
  ...ACCOUNT,
  product: 'wecom',
  account: 'wwcorp-1000002',
  appId: 'wwcorp',
  secret: 'secret-of-an-agent',
} as const;
export const WECOM_TWIN = { ...WECOM, account: 'wwcorp-1000003', secret: 'secret-of-a-twin' };
export const COMPONENT = {
  appId: 'wxcomponent',
  secret: 'a-secret-of-the-platform',
  token: 'BBBBB',
  encodingAesKey: 'componentComponentComponentComponentCompone',
  authorizers: [ACCOUNT.account],
};

export const errcodeOf = async (response: Response) =>
  ((await response.json()) as { errcode?: number }).errcode;

/** Opens a simulator at 08:00 whose clock moves only by `pass`; closed at the end of the test. */
export async function setup(t: TestContext, options: Partial<SimulatorOptions> = {}) {
  let nowMs = Date.parse('2026-11-05T08:00:00.250Z');
  const clock = { now: () => new Date(nowMs) };
  const log = createLog({ level: 'error', program: 'test', secrets: [] });
  const simulator = await openSimulator({
    clock,
    lifetimes: createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1 }),
    accounts: [ACCOUNT, OTHER, WECOM, WECOM_TWIN],
    components: [COMPONENT],
    log,
    ...options,
  });
  t.after(() => simulator.close());

  const stable = (fields: Record<string, unknown> = {}) =>
    fetch(`${simulator.url}/cgi-bin/stable_token`, {
      method: 'POST',
      body: JSON.stringify({
        grant_type: 'client_credential',
        appid: ACCOUNT.appId,
        secret: ACCOUNT.secret,
        ...fields,
      }),
    });

  return {
    simulator,
    clock,
    log,
    pass: (ms: number) => {
      nowMs += ms;
    },
    stable,
    tokenOf: async (account = ACCOUNT): Promise<string> => {
      const response = (await (await stable({ appid: account.appId, secret: account.secret })).json()) as {
        access_token: string;
      };
      return response.access_token;
    },
    get: (mediaId: string, accessToken: string, headers: Record<string, string> = {}) =>
      fetch(`${simulator.url}/cgi-bin/media/get?access_token=${accessToken}&media_id=${mediaId}`, {
        headers,
      }),
    /** POST a JSON body to a path. */
    post: (path: string, body: unknown) =>
      fetch(simulator.url + path, { method: 'POST', body: JSON.stringify(body) }),
    wecomToken: async (account: { appId: string; secret: string } = WECOM): Promise<string> => {
      const url = `${simulator.url}/cgi-bin/gettoken?corpid=${account.appId}&corpsecret=${account.secret}`;
      return ((await (await fetch(url)).json()) as { access_token: string }).access_token;
    },
  };
}
