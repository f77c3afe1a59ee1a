/** POST /v1/accounts/{account}/check: calls WeChat once, and returns whether it accepts the account now. */
import { z } from 'zod';
import { explain } from '../../../wechat/api/errcodes.ts';
import { resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { failureSchema } from '../failure-schema.ts';
import { responseTime } from '../field-schemas.ts';
import { accountParams } from './accounts.ts';

/** Each check is a call of the account's daily quota. */
const EVERY_MS = 10_000;

export const accountCheckSchema: z.ZodType = z.object({
  ok: z.boolean(),
  at: responseTime,
  message: z.string(),
  advice: z.string(),
  failure: failureSchema.optional().describe('why WeChat, or the way to it, refused'),
});

const ACCEPTED = {
  message: {
    en: 'WeChat accepts this account: its token is valid and may download media items.',
    zh: '微信接受该账号：access_token 有效，且可以下载素材。',
  },
  advice: {
    en: 'If the account is held, release it: one media item is then attempted at once.',
    zh: '若该账号已暂停归档，可将其恢复：系统会立即尝试一个素材。',
  },
} as const;

const checkExample = {
  ok: true,
  at: '2026-11-20T08:00:00.000Z',
  message: ACCEPTED.message.en,
  advice: ACCEPTED.advice.en,
};

export function accountCheckRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'checkAccount' | 'clock' | 'log'>,
) {
  /** When the last check of each account began, by the monotonic clock. */
  const lastAtMs = new Map<string, number>();

  function limitRate(account: string): void {
    const nowMs = performance.now();
    const waitMs = (lastAtMs.get(account) ?? Number.NEGATIVE_INFINITY) + EVERY_MS - nowMs;
    if (waitMs > 0) throw new Problem('too_many_requests', { retryAfterSeconds: Math.ceil(waitMs / 1000) });
    lastAtMs.set(account, nowMs);
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/accounts/:account/check',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags: ['accounts'],
          operationId: 'checkAccount',
          summary: 'Check now whether WeChat accepts an account',
          description:
            'One call of its daily quota, at most every ten seconds; a hold stays. The call comes from the address of this server, which may be another than that of the workers.',
          params: accountParams,
          response: { 200: accountCheckSchema },
          examples: { response: { 200: checkExample } },
          problems: ['account_not_found'],
        },
      },
      async (request) => {
        const { principal, params } = request;
        const configured = deps.accounts.find(resolveAccount(principal, deps.accounts, params.account));
        if (!configured) throw new Problem('account_not_found');
        const { account } = configured;
        limitRate(account);
        const failure = await deps.checkAccount(configured);
        const at = deps.clock.now();
        const detail = failure
          ? { ok: false, code: failure.code, ...(failure.errcode ? { errcode: failure.errcode } : {}) }
          : { ok: true };
        await deps.catalogue.auditLog.write({
          at,
          actor: principal.name,
          action: 'account.check',
          target: account,
          accounts: [account],
          detail,
        });
        deps.log.info({ account, by: principal.name, ...detail }, 'account: checked');
        const language = languageOf(request);
        const texts = failure ? explain(failure) : ACCEPTED;
        const message = texts.message[language];
        const advice = texts.advice[language];
        return {
          ok: !failure,
          at,
          message,
          advice,
          ...(failure ? { failure: { ...failure, message, advice } } : {}),
        };
      },
    );
  };
}
