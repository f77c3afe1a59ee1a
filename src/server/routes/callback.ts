/** /wechat/{account}: the handshake and the callbacks. `success` is sent only after the references are on disk. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Account } from '../../account.ts';
import { TimeoutError, withTimeout } from '../../runtime/timeout.ts';
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

/** A callback has a few hundred bytes; with voice recognition or a long text it has some thousand. */
const BODY_BYTES = 64 * 1024;
/**
 * WeChat waits 5 s and then sends the callback again. After RESPONSE_MS the response is 503, although the row may still
 * be written.
 */
const RESPONSE_MS = 4_000;
/** Refusals of callbacks whose signature is not verified. */
const NOT_VERIFIED: ReadonlySet<RefusalCode> = new Set(['bad_signature']);
/**
 * Refusals that are not forwarded to the account's handler. If unsigned callbacks were forwarded, this server would be
 * an open relay, and `requireEncryption` must also keep plain bodies away from the handler. All other refused callbacks
 * are forwarded: the cause may be our parser, our key or our clock.
 */
const NOT_FORWARDED: ReadonlySet<RefusalCode> = new Set(['bad_signature', 'encryption_required']);

const tags = ['callbacks'];
const parameter = (
  name: string,
  description: string,
  example: string,
  place: 'query' | 'path' = 'query',
) => ({
  in: place,
  name,
  ...(place === 'path' ? { required: true } : {}),
  description,
  schema: { type: 'string' },
  example,
});
const SIGNED = [
  parameter('signature', "WeChat's signature; WeCom and the safe mode send msg_signature", '4a1f0c9e2b7d'),
  parameter('timestamp', 'seconds since 1970', '1795161600'),
  parameter('nonce', 'a random number', '1372623149'),
];
const PARAMETERS = [
  parameter('account', 'the appId; WeCom: corpId-agentId', 'wx0123456789abcdef', 'path'),
  ...SIGNED,
];
const CALLBACK_EXAMPLE =
  '<xml><ToUserName>gh_0123456789ab</ToUserName><FromUserName>oLVPpjqs9BhvzwPj5A-vTYAX3GLc</FromUserName><CreateTime>1795161600</CreateTime><MsgType>image</MsgType><MediaId>Zu8gHl3ONgVyTdGCNsUwI9</MediaId><MsgId>24580123456789012</MsgId></xml>';
const refusals = [
  'bad_signature',
  'stale_timestamp',
  'encryption_required',
  'encryption_key_missing',
  'cannot_decrypt',
  'malformed_message',
] as const satisfies readonly RefusalCode[];

const handshakeDocs = {
  tags,
  operationId: 'verifyCallbackUrl',
  summary: "WeChat's handshake",
  description: 'Returns echostr when the signature is valid.',
  response: { 200: z.string().describe('echostr') as z.ZodType },
  contentTypes: { 200: ['text/plain'] },
  examples: { response: { 200: '5927782489442352469' } },
  documentOnly: {
    parameters: [...PARAMETERS, parameter('echostr', 'what to return', '5927782489442352469')],
  },
  problems: ['account_not_found', ...refusals],
} as const;
const callbackDocs = {
  tags,
  operationId: 'receiveCallback',
  summary: 'Receive a callback of WeChat',
  description:
    'Returns `success` once its media ids are on disk. Plain, compatible and safe mode; XML or JSON.',
  response: { 200: z.string().describe('success') as z.ZodType },
  contentTypes: { 200: ['text/plain'] },
  examples: { response: { 200: 'success' } },
  documentOnly: {
    parameters: PARAMETERS,
    requestBody: {
      required: true,
      content: {
        'text/xml': { schema: { type: 'string' }, example: CALLBACK_EXAMPLE },
        'application/json': { schema: { type: 'object' } },
      },
    },
  },
  problems: [
    'account_not_found',
    'body_too_large',
    'database_away',
    'not_written',
    'overloaded',
    'upstream_failed',
    ...refusals,
  ],
} as const;

type CallbackRequest = FastifyRequest<{
  Params: { account: string };
  Querystring: CallbackQuery;
  Body: Buffer;
}>;

export function callbackRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'ingest' | 'metrics' | 'log' | 'repeatedLog'>,
) {
  const counter = createCallbackCounter(deps);
  const unsignedLimit = createUnsignedCallbackLimit({
    onCut: () => {
      deps.metrics.callbacks.inc({ outcome: 'cut' });
      deps.repeatedLog.write('warn', 'cut', {}, 'callbacks: too many unsigned at once, closing the slowest');
    },
  });
  const upstream = createUpstream();
  const forwarder = createCallbackForwarder({ ...deps, upstream });

  function find(request: CallbackRequest): Account {
    const account = deps.accounts.find(request.params.account);
    if (account) return account;
    deps.metrics.callbacks.inc({ outcome: 'unknown_account' });
    throw new Problem('account_not_found');
  }

  function count({ account }: Account, query: CallbackQuery, result: CallbackResult): void {
    const isRefused = result.kind === 'refused';
    if (isRefused) {
      deps.metrics.callbacks.inc({ outcome: result.code });
      counter.countRefused(account, result.code);
      const { code } = result;
      deps.repeatedLog.write('warn', `refused ${account} ${code}`, { account, code }, 'callbacks: refused');
    } else {
      counter.countReceived(account, result.messageType);
    }
    const skewSeconds = clockSkewSeconds(query.timestamp, deps.clock.now());
    if (skewSeconds === undefined || (isRefused && NOT_VERIFIED.has(result.code))) return;
    counter.recordClockSkew(account, skewSeconds);
  }

  /** Refuses before the body is read, so that unsigned requests cost little. */
  async function refuseEarly(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { query, headers, raw } = request as CallbackRequest;
    const isShort = Number(headers['content-length'] ?? Number.NaN) <= BODY_BYTES;
    try {
      const account = find(request as CallbackRequest);
      if (Number(headers['content-length'] ?? 0) > BODY_BYTES) throw new Problem('body_too_large');
      if (unsignedLimit.admit(account, query, raw)) return;
      const refusal = badSignature();
      count(account, query, refusal);
      throw problemOf(refusal);
    } catch (error) {
      // The rest of a short body is read and discarded; for a long one the connection is closed instead.
      if (!isShort) reply.header('connection', 'close');
      throw error;
    }
  }

  const problemOf = (refusal: Refusal) => new Problem(refusal.code, { detail: refusal.message });
  const isForwarded = (
    account: Account,
    result: CallbackResult,
  ): account is Account & { upstreamUrl: string } =>
    account.upstreamUrl !== undefined && !(result.kind === 'refused' && NOT_FORWARDED.has(result.code));

  async function write(account: Account, result: CallbackResult): Promise<void> {
    if (result.kind === 'refused') return;
    let outcome = 'not_written';
    try {
      if (result.kind === 'media') await deps.ingest.ingestCallback(result.references);
      if (result.kind === 'sync')
        await deps.ingest.requestKfSync(
          account.account,
          result.openKfId,
          encryptAtRest(account, result.token),
        );
      if (result.kind === 'ticket') await deps.ingest.storeSecret(encryptTicket(account, result.ticket));
      outcome = result.kind;
    } finally {
      deps.metrics.callbacks.inc({ outcome });
    }
  }

  async function writeInTime(account: Account, result: CallbackResult): Promise<void> {
    await withTimeout(write(account, result), RESPONSE_MS, 'writing the callback').catch((error) => {
      throw error instanceof TimeoutError ? new Problem('database_away', { retryAfterSeconds: 1 }) : error;
    });
  }

  const asText = (reply: FastifyReply) =>
    reply.header('content-type', 'text/plain; charset=utf-8').header('x-content-type-options', 'nosniff');

  /** Sends the body as a stream, because Fastify would add a content type to a Buffer. */
  function sendUpstreamReply(
    reply: FastifyReply,
    { status, contentType, contentEncoding, body }: UpstreamReply,
  ) {
    reply.code(status).header('x-content-type-options', 'nosniff');
    if (contentType !== undefined) reply.header('content-type', contentType);
    if (contentEncoding !== undefined) reply.header('content-encoding', contentEncoding);
    if (body.length === 0) return reply.send();
    return reply.header('content-length', body.length).send(Readable.from(body));
  }

  return async (app: App): Promise<void> => {
    app.addHook('onClose', async () => {
      await Promise.all([counter.close(), upstream.close()]);
    });
    // WeChat's console accepts an address with a trailing slash, and WeChat then calls that address.
    app.addHook('onRoute', (route) => {
      if (route.url.endsWith('/') || route.method === 'HEAD') return;
      app.route({ ...route, url: `${route.url}/`, schema: { ...route.schema, hide: true } });
    });
    // The body is read as bytes for every content type that WeChat declares (text/xml, application/json, none).
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
          count(account, {}, result);
          throw problemOf(result);
        }
        counter.countReceived(account.account, 'handshake');
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
        count(account, query, result);
        if (isForwarded(account, result)) {
          const { url = '', headers } = request.raw;
          const rawQuery = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
          const raw = { query: rawQuery, headers, body: callback.body };
          return sendUpstreamReply(reply, await forwarder.forward(account, raw, write(account, result)));
        }
        if (result.kind === 'refused') throw problemOf(result);
        await writeInTime(account, result);
        return asText(reply).send('success');
      },
    );
  };
}
