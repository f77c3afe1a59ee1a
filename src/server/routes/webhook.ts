/** /wechat/{account}: the handshake and the callbacks. `success` is said only once the references are on disk. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../account.ts';
import { answerHandshake, type CallbackQuery, type Refusal, readCallback } from '../../wechat/callback.ts';
import type { App, ServerDeps } from '../deps.ts';
import { Problem } from '../problem.ts';

/** A callback is a few hundred bytes; voice recognition and long texts make some thousands. */
const BODY_BYTES = 64 * 1024;
/** WeChat waits 5 s, then sends again. Past this the answer is 503, though the row may still be written. */
const ANSWER_MS = 4_000;
const NOTE_CALLBACK_MS = 60_000;

const tags = ['callbacks'];
const handshakeDocs = { tags, summary: "WeChat's handshake: echostr comes back when the signature is right" };
const callbackDocs = {
  tags,
  summary:
    '`success` once the media ids of the message are on disk; plain, compatible and safe mode, XML or JSON',
};

type WebhookRequest = FastifyRequest<{
  Params: { account: string };
  Querystring: CallbackQuery;
  Body: Buffer;
}>;

export function webhookRoutes(
  deps: Pick<ServerDeps, 'accept' | 'accounts' | 'catalogue' | 'clock' | 'metrics' | 'log'>,
) {
  const notedAt = new Map<string, number>();

  function find(request: WebhookRequest): Account {
    const account = deps.accounts.find(request.params.account);
    if (account) return account;
    deps.metrics.callbacks.inc({ outcome: 'unknown_account' });
    throw new Problem('account_not_found');
  }

  /** The account's last callback, for whoever wonders whether WeChat still calls. Never in the way of the answer. */
  function note(account: Account): void {
    const now = deps.clock.now();
    if (now.getTime() - (notedAt.get(account.account) ?? 0) < NOTE_CALLBACK_MS) return;
    notedAt.set(account.account, now.getTime());
    deps.catalogue.accounts.sawCallback(account.account, now).catch(() => notedAt.delete(account.account));
  }

  function refuse(account: Account, refusal: Refusal): Problem {
    deps.metrics.callbacks.inc({ outcome: refusal.code });
    deps.log.warn({ account: account.account, code: refusal.code }, 'refused a callback');
    return new Problem(refusal.code, { detail: refusal.message });
  }

  async function inTime<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Problem('database_away', { retryAfterSeconds: 1 })), ANSWER_MS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  const asText = (reply: FastifyReply) =>
    reply.header('content-type', 'text/plain; charset=utf-8').header('x-content-type-options', 'nosniff');

  return async (app: App): Promise<void> => {
    // Whatever WeChat says the type is (text/xml, application/json, nothing at all), the body is read as bytes.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_BYTES }, (_request, body, done) =>
      done(null, body),
    );

    app.get(
      '/wechat/:account',
      { config: { scope: 'open' }, schema: handshakeDocs },
      async (request, reply) => {
        const account = find(request as WebhookRequest);
        const result = answerHandshake(account, request.query as CallbackQuery);
        if (result.kind === 'refused') throw refuse(account, result);
        note(account);
        deps.metrics.callbacks.inc({ outcome: 'handshake' });
        return asText(reply).send(result.text);
      },
    );

    app.post(
      '/wechat/:account',
      { config: { scope: 'open' }, schema: callbackDocs, bodyLimit: BODY_BYTES },
      async (request, reply) => {
        const { query, body } = request as WebhookRequest;
        const account = find(request as WebhookRequest);
        const result = readCallback(account, {
          query,
          body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
          now: deps.clock.now(),
        });
        if (result.kind === 'refused') throw refuse(account, result);
        note(account);
        if (result.kind === 'media') await inTime(deps.accept(result.references));
        deps.metrics.callbacks.inc({ outcome: result.kind });
        return asText(reply).send('success');
      },
    );
  };
}
