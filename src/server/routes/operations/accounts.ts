/** /v1/accounts: the configured accounts with their state, without secrets; holding and releasing one by hand. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Account } from '../../../account.ts';
import { ENDLESS, HELD_BY_HAND } from '../../../catalogue/accounts/accounts.ts';
import { saying } from '../../../field-errors.ts';
import { explain } from '../../../wechat/api/errcodes.ts';
import { resolveAccount } from '../../auth/access.ts';
import { daysBefore } from '../../callbacks/callback-counter.ts';
import { callbackUrlOf } from '../../callbacks/callback-url.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { type AccountView, accountJson, DAYS_SHOWN } from '../../views/account.ts';
import { failureSchema } from '../failure-schema.ts';
import { count, requestDuration, requestTime, responseTime, trimmedText } from '../field-schemas.ts';

const tags = ['accounts'];
export const accountParams = z.object({
  account: z
    .string()
    .min(1)
    .max(128)
    .describe('its id or its name')
    .meta({ examples: ['wx0123456789abcdef'] }),
});
const holdBody = z
  .strictObject({
    reason: trimmedText(300).describe(
      'displayed together with the hold, and kept in the audit log permanently: no names, openIds or other personal data',
    ),
    for: requestDuration.optional().describe('how long, such as 90m or 24h'),
    until: requestTime
      .optional()
      .describe('instead of for: the time of its end; without both: until it is released'),
  })
  .refine((body) => body.for === undefined || body.until === undefined, {
    path: ['until'],
    ...saying({ en: 'specify either for or until', zh: 'for 与 until 只能指定一个' }),
  });

const callbackCountsSchema = z.object({
  received: z.record(z.string(), count).describe('by type of message'),
  refused: z.record(z.string(), count).describe('by reason'),
});

const consoleFieldSchema = z.object({
  isSet: z.boolean(),
  setting: z
    .string()
    .describe('the variable, or the field of ACCOUNTS_FILE, that has the value; simulated where none has'),
});
const consoleSchema = z
  .object({
    url: z.string().describe('as it is pasted'),
    token: consoleFieldSchema,
    encodingAesKey: consoleFieldSchema,
    modes: z
      .array(z.enum(['plain', 'compatible', 'safe']))
      .describe('the modes of encryption that this server accepts; the last one is the best'),
  })
  .describe("what to type into WeChat's console; secrets only by the name of their setting");

export const accountHoldSchema = failureSchema.extend({
  reason: z
    .string()
    .describe('the reason that was given when a person set the hold; otherwise the cause of the hold'),
  since: responseTime.optional(),
  until: responseTime
    .optional()
    .describe('when one media item is dispatched as a probe; absent: until it is released'),
  by: z.string().optional().describe('the name of the key that set the hold; absent: set automatically'),
});

export const accountSchema: z.ZodType = z
  .object({
    account: z.string(),
    name: z.string().optional(),
    product: z.string(),
    callbackUrl: z.string(),
    console: consoleSchema,
    lastCallbackAt: responseTime.optional(),
    callbacks: z
      .object({
        today: callbackCountsSchema,
        last7Days: callbackCountsSchema,
        byDay: z
          .array(z.object({ day: z.iso.date(), received: count, refused: count }))
          .describe('the last 28 days, oldest first, also those without callbacks'),
      })
      .describe('days of UTC'),
    clockSkew: z
      .object({ seconds: z.number().int(), at: responseTime, message: z.string(), advice: z.string() })
      .optional()
      .describe(
        'the clock of this server compared with the timestamps that WeChat signs; only if the clock is wrong',
      ),
    token: z.object({ expiresAt: responseTime }).optional(),
    quota: z
      .object({ dailyLimit: count, used: count, remain: count, readAt: responseTime })
      .optional()
      .describe(
        "today's calls of media/get, until midnight in Beijing; absent where WeChat does not show it",
      ),
    customerService: z
      .array(
        z.object({
          openKfId: z.string(),
          lastReadAt: responseTime.optional().describe('when its messages were last read to the end'),
          failure: failureSchema
            .extend({ since: responseTime.optional() })
            .optional()
            .describe('why they cannot be read now'),
        }),
      )
      .optional()
      .describe('WeCom: the customer-service accounts that callbacks have named'),
    hold: accountHoldSchema.nullable(),
  })
  .meta({ id: 'Account' });

const url = 'https://media.example.org/wechat/wx0123456789abcdef';

/** An account that is held by hand. */
export const accountExample = {
  account: 'wx0123456789abcdef',
  name: 'shop',
  product: 'official',
  callbackUrl: url,
  console: {
    url,
    token: { isSet: true, setting: 'WECHAT_TOKEN' },
    encodingAesKey: { isSet: true, setting: 'WECHAT_ENCODING_AES_KEY' },
    modes: ['safe'],
  },
  lastCallbackAt: '2026-11-20T08:00:00.000Z',
  callbacks: {
    today: { received: { image: 40, voice: 2 }, refused: {} },
    last7Days: { received: { image: 310, voice: 12 }, refused: { bad_signature: 1 } },
    byDay: [{ day: '2026-11-20', received: 42, refused: 0 }],
  },
  token: { expiresAt: '2026-11-20T09:40:00.000Z' },
  hold: {
    code: HELD_BY_HAND,
    class: 'account',
    message: explain({ code: HELD_BY_HAND }).message.en,
    advice: explain({ code: HELD_BY_HAND }).advice.en,
    reason: 'the secret is being changed',
    since: '2026-11-20T08:00:00.000Z',
    until: '2026-11-20T10:00:00.000Z',
    by: 'operator',
  },
};

export const accountsSchema: z.ZodType = z.object({ items: z.array(accountSchema) });

function configuredBy({ shape, settings }: RouteDeps['config']): AccountView['configuredBy'] {
  if (shape.wechat === 'simulated') return 'nothing';
  return settings.some(({ variable, isSet }) => variable === 'ACCOUNTS_FILE' && isSet) ? 'file' : 'variables';
}

/**
 * Returns the base of the addresses that WeChat calls: PUBLIC_URL, or the host by which the client reached this server.
 */
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
      catalogue.accounts.list(),
      catalogue.kfCursors.list(accounts.map(({ account }) => account)),
      catalogue.callbackCounts.listSince(daysBefore(now, DAYS_SHOWN - 1)),
    ]);
    const base = callbackBase(deps.config.http, request);
    const language = languageOf(request);
    return accounts.map((configured) => {
      const { account } = configured;
      const state = states.find((state) => state.account === account) ?? { account };
      const callbackCounts = counts.filter((count) => count.account === account);
      return accountJson(configured, state, callbackCounts, {
        callbackUrl: callbackUrlOf(base, account),
        now,
        language,
        services: services.filter((service) => service.account === account),
        configuredBy: configuredBy(deps.config),
      });
    });
  }

  function find(request: FastifyRequest, nameOrId: string): Account {
    const account = deps.accounts.find(resolveAccount(request.principal, deps.accounts, nameOrId));
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
          operationId: 'listAccounts',
          summary: 'List accounts',
          description: "Hold, token, callbacks, and the address to paste into WeChat's console.",
          response: { 200: accountsSchema },
          examples: { response: { 200: { items: [{ ...accountExample, hold: null }] } } },
        },
      },
      async (request) => {
        const { principal } = request;
        const visible = deps.accounts.all.filter(
          ({ account }) => principal.accounts?.includes(account) ?? true,
        );
        return { items: await show(visible, request) };
      },
    );

    app.put(
      '/v1/accounts/:account/hold',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'holdAccount',
          summary: 'Hold an account',
          description: 'Its media items wait and spend no attempts; callbacks are still accepted.',
          params: accountParams,
          body: holdBody,
          response: { 200: accountSchema },
          examples: {
            body: { reason: 'the secret is being changed', for: '2h' },
            response: { 200: accountExample },
          },
          problems: ['account_not_found'],
        },
      },
      async (request) => {
        const account = find(request, request.params.account);
        const { reason, for: forMs, until } = request.body;
        // Of the database: another process must not end the hold early because this machine's clock is wrong.
        const now = await catalogue.timestamps.now();
        const asked = forMs === undefined ? new Date(until ?? ENDLESS).getTime() : now.getTime() + forMs;
        const end = new Date(Math.min(asked, ENDLESS.getTime()));
        if (end <= now) {
          const message = { en: 'must be in the future', zh: '必须是将来的时间' };
          throw new Problem('invalid_request', { errors: [{ field: 'until', message }] });
        }
        const hold = { code: HELD_BY_HAND, class: 'account', reason, by: request.principal.name } as const;
        await catalogue.accounts.holdByHand(account.account, end, hold, now);
        deps.log.warn({ account: account.account, until: end, by: hold.by }, 'account hold: set by hand');
        return (await show([account], request))[0];
      },
    );

    app.delete(
      '/v1/accounts/:account/hold',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'releaseAccount',
          summary: 'Release an account',
          description:
            'After a hold by hand it continues; after an automatic hold one media item is dispatched now as a probe.',
          params: accountParams,
          response: { 200: accountSchema },
          examples: { response: { 200: { ...accountExample, hold: null } } },
          problems: ['account_not_found'],
        },
      },
      async (request) => {
        const account = find(request, request.params.account);
        await catalogue.accounts.release(account.account, clock.now(), request.principal.name);
        await catalogue.kfCursors.retryNow(account.account);
        deps.due.notify();
        deps.log.info(
          { account: account.account, by: request.principal.name },
          'account hold: released by hand',
        );
        return (await show([account], request))[0];
      },
    );
  };
}
