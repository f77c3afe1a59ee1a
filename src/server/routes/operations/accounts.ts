/** /v1/accounts: the configured accounts, without their secrets, how they are, and holding them by hand. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Account } from '../../../account.ts';
import { HELD_BY_HAND } from '../../../catalogue/accounts/accounts.ts';
import { resolveAccount } from '../../auth/access.ts';
import { daysBefore } from '../../callbacks/callback-counter.ts';
import { callbackUrlOf } from '../../callbacks/callback-url.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { accountJson, ENDLESS } from '../../views/account.ts';
import { requestTime, trimmedText } from '../field-schemas.ts';
import { ACCOUNT, ACCOUNTS } from '../schemas.ts';

const tags = ['accounts'];
const PARAMS = z.object({ account: z.string().min(1).max(128) });
const HOLD = z.strictObject({
  reason: trimmedText(300).describe('shown to whoever wonders why'),
  until: requestTime.optional().describe('absent: until it is released'),
});

/** Where WeChat calls: as configured, or as the reader reached us. */
function callbackBase(http: RouteDeps['config']['http'], request: FastifyRequest): string {
  if (http.publicUrl) return http.publicUrl;
  return `http://${http.callbackPort ? `${request.hostname}:${http.callbackPort}` : request.host}`;
}

export function accountRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'config' | 'due' | 'log'>,
) {
  const { catalogue, clock } = deps;

  async function show(accounts: readonly Account[], request: FastifyRequest) {
    const now = clock.now();
    const [states, services, counts] = await Promise.all([
      catalogue.accounts.states(),
      catalogue.kfSyncs.states(accounts.map(({ account }) => account)),
      catalogue.callbacks.since(daysBefore(now, 6)),
    ]);
    const base = callbackBase(deps.config.http, request);
    const language = languageOf(request);
    return accounts.map((one) => {
      const { account } = one;
      const state = states.find((state) => state.account === account) ?? { account };
      const theirs = counts.filter((count) => count.account === account);
      return accountJson(one, state, theirs, {
        callbackUrl: callbackUrlOf(base, account),
        now,
        language,
        services: services.filter((service) => service.account === account),
      });
    });
  }

  function find(request: FastifyRequest, word: string): Account {
    const account = deps.accounts.find(resolveAccount(request.principal, deps.accounts, word));
    if (!account) throw new Problem('account_not_found');
    return account;
  }

  return async (app: App): Promise<void> => {
    app.get(
      '/v1/accounts',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          summary: "Accounts: hold, token, callbacks, and the address to paste into WeChat's console",
          response: { 200: ACCOUNTS },
        },
      },
      async (request) => {
        const { principal } = request;
        const mine = deps.accounts.all.filter(({ account }) => principal.accounts?.includes(account) ?? true);
        return { items: await show(mine, request) };
      },
    );

    app.put(
      '/v1/accounts/:account/hold',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary: 'Hold an account: its media wait and lose no tries, callbacks are taken as ever',
          params: PARAMS,
          body: HOLD,
          response: { 200: ACCOUNT },
        },
      },
      async (request) => {
        const account = find(request, request.params.account);
        const { reason, until } = request.body;
        const now = clock.now();
        const end = until === undefined ? ENDLESS : new Date(until);
        if (end <= now) {
          const errors = [{ field: 'until', message: 'has passed already' }];
          throw new Problem('invalid_request', { errors });
        }
        const why = { code: HELD_BY_HAND, class: 'account', reason, by: request.principal.name } as const;
        await catalogue.accounts.holdByHand(account.account, end, why, now);
        deps.log.warn({ account: account.account, until: end, by: why.by }, 'the account is held by hand');
        return (await show([account], request))[0];
      },
    );

    app.delete(
      '/v1/accounts/:account/hold',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary: 'Release an account: held by hand it goes on, held by itself it tries one media now',
          params: PARAMS,
          response: { 200: ACCOUNT },
        },
      },
      async (request) => {
        const account = find(request, request.params.account);
        await catalogue.accounts.release(account.account, clock.now(), request.principal.name);
        await catalogue.kfSyncs.retryNow(account.account);
        deps.due.notify();
        deps.log.info({ account: account.account, by: request.principal.name }, 'the account is released');
        return (await show([account], request))[0];
      },
    );
  };
}
