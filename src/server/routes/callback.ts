/** /wechat/{account}: the handshake and the callbacks. `success` is said only once the references are on disk. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../account.ts';
import {
  badSignature,
  type CallbackQuery,
  type CallbackResult,
  clockSkewSeconds,
  type Refusal,
  type RefusalCode,
  readCallback,
  readHandshake,
} from '../../wechat/callback/read-callback.ts';
import { encryptTicket } from '../../wechat/tokens/component-tokens.ts';
import { encryptAtRest } from '../../wechat/tokens/encrypt-at-rest.ts';
import { createCallbackCounter } from '../callbacks/callback-counter.ts';
import { createCallbackForwarder } from '../callbacks/callback-forwarder.ts';
import { createUnsignedCallbackLimit } from '../callbacks/unsigned-callback-limit.ts';
import { createUpstream, type UpstreamReply } from '../callbacks/upstream.ts';
import { Problem } from '../problem.ts';
import type { App, RouteDeps } from '../route-deps.ts';

/** A callback is a few hundred bytes; voice recognition and long texts make some thousands. */
const BODY_BYTES = 64 * 1024;
/** WeChat waits 5 s, then sends again. Past this the answer is 503, though the row may still be written. */
const ANSWER_MS = 4_000;
/** Refused before the signature was found right. */
const NOT_SIGNED: ReadonlySet<RefusalCode> = new Set(['bad_signature']);
/**
 * Not passed on to the owner's handler. It checks signatures by itself, but whoever cannot sign would have an open
 * relay in us; and plain bodies are what `requireEncryption` was set against. What we refuse for another reason (we
 * cannot parse it, our key is wrong, our clock is) is the handler's to judge.
 */
const NOT_PASSED_ON: ReadonlySet<RefusalCode> = new Set(['bad_signature', 'encryption_required']);

const tags = ['callbacks'];
const handshakeDocs = { tags, summary: "WeChat's handshake: echostr comes back when the signature is right" };
const callbackDocs = {
  tags,
  summary:
    '`success` once the media ids of the message are on disk; plain, compatible and safe mode, XML or JSON',
};

type CallbackRequest = FastifyRequest<{
  Params: { account: string };
  Querystring: CallbackQuery;
  Body: Buffer;
}>;

export function callbackRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'intake' | 'metrics' | 'log' | 'repeatedLog'>,
) {
  const tally = createCallbackCounter(deps);
  const unsigned = createUnsignedCallbackLimit({
    onCut: () => {
      deps.metrics.callbacks.inc({ outcome: 'cut' });
      deps.repeatedLog.write(
        'warn',
        'cut',
        {},
        'callbacks: too many unsigned ones at once, the slowest is cut',
      );
    },
  });
  const upstream = createUpstream();
  const tap = createCallbackForwarder({ ...deps, upstream });

  function find(request: CallbackRequest): Account {
    const account = deps.accounts.find(request.params.account);
    if (account) return account;
    deps.metrics.callbacks.inc({ outcome: 'unknown_account' });
    throw new Problem('account_not_found');
  }

  function note({ account }: Account, query: CallbackQuery, result: CallbackResult): void {
    const isRefused = result.kind === 'refused';
    if (isRefused) {
      deps.metrics.callbacks.inc({ outcome: result.code });
      tally.countRefused(account, result.code);
      const { code } = result;
      deps.repeatedLog.write('warn', `refused ${account} ${code}`, { account, code }, 'refused a callback');
    } else {
      tally.countReceived(account, result.messageType);
    }
    const skewSeconds = clockSkewSeconds(query.timestamp, deps.clock.now());
    if (skewSeconds === undefined || (isRefused && NOT_SIGNED.has(result.code))) return;
    tally.recordClockSkew(account, skewSeconds);
  }

  /** Before the body is read: whoever cannot sign costs little more than his query. */
  async function refuseEarly(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { query, headers, raw } = request as CallbackRequest;
    const isShort = Number(headers['content-length'] ?? Number.NaN) <= BODY_BYTES;
    try {
      const account = find(request as CallbackRequest);
      if (Number(headers['content-length'] ?? 0) > BODY_BYTES) throw new Problem('body_too_large');
      if (unsigned.admit(account, query, raw)) return;
      const refusal = badSignature();
      note(account, query, refusal);
      throw problemOf(refusal);
    } catch (error) {
      // What is left of a short body is thrown away as it comes; a long one is not waited for.
      if (!isShort) reply.header('connection', 'close');
      throw error;
    }
  }

  const problemOf = (refusal: Refusal) => new Problem(refusal.code, { detail: refusal.message });
  const isPassedOn = (
    account: Account,
    result: CallbackResult,
  ): account is Account & { upstreamUrl: string } =>
    account.upstreamUrl !== undefined && !(result.kind === 'refused' && NOT_PASSED_ON.has(result.code));

  async function write(account: Account, result: CallbackResult): Promise<void> {
    if (result.kind === 'refused') return;
    let outcome = 'not_written';
    try {
      if (result.kind === 'media') await deps.intake.ingestCallback(result.references);
      if (result.kind === 'sync')
        await deps.intake.requestKfSync(
          account.account,
          result.openKfId,
          encryptAtRest(account, result.token),
        );
      if (result.kind === 'ticket') await deps.intake.storeSecret(encryptTicket(account, result.ticket));
      outcome = result.kind;
    } finally {
      deps.metrics.callbacks.inc({ outcome });
    }
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

  /** As a stream, for Fastify gives bytes without a type one that the handler did not. */
  function sendAsItWas(reply: FastifyReply, { status, contentType, contentEncoding, body }: UpstreamReply) {
    reply.code(status).header('x-content-type-options', 'nosniff');
    if (contentType !== undefined) reply.header('content-type', contentType);
    if (contentEncoding !== undefined) reply.header('content-encoding', contentEncoding);
    if (body.length === 0) return reply.send();
    return reply.header('content-length', body.length).send(Readable.from(body));
  }

  return async (app: App): Promise<void> => {
    app.addHook('onClose', async () => {
      await Promise.all([tally.close(), upstream.close()]);
    });
    // The console takes an address with a slash at its end, and WeChat then calls that one.
    app.addHook('onRoute', (route) => {
      if (route.url.endsWith('/') || route.method === 'HEAD') return;
      app.route({ ...route, url: `${route.url}/`, schema: { ...route.schema, hide: true } });
    });
    // Whatever WeChat says the type is (text/xml, application/json, nothing at all), the body is read as bytes.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_BYTES }, (_request, body, done) =>
      done(null, body),
    );

    app.get(
      '/wechat/:account',
      { config: { scope: 'open' }, schema: handshakeDocs },
      async (request, reply) => {
        const account = find(request as CallbackRequest);
        const result = readHandshake(account, request.query as CallbackQuery);
        if (result.kind === 'refused') {
          note(account, {}, result);
          throw problemOf(result);
        }
        tally.countReceived(account.account, 'handshake');
        deps.metrics.callbacks.inc({ outcome: 'handshake' });
        return asText(reply).send(result.text);
      },
    );

    app.post(
      '/wechat/:account',
      { config: { scope: 'open' }, schema: callbackDocs, bodyLimit: BODY_BYTES, onRequest: refuseEarly },
      async (request, reply) => {
        const { query, body } = request as CallbackRequest;
        const account = find(request as CallbackRequest);
        const callback = {
          query,
          body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
          now: deps.clock.now(),
        };
        const result = readCallback(account, callback);
        note(account, query, result);
        if (isPassedOn(account, result)) {
          const { url = '', headers } = request.raw;
          const rawQuery = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
          const raw = { query: rawQuery, headers, body: callback.body };
          return sendAsItWas(reply, await tap.forward(account, raw, write(account, result)));
        }
        if (result.kind === 'refused') throw problemOf(result);
        await inTime(write(account, result));
        return asText(reply).send('success');
      },
    );
  };
}
