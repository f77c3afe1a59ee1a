/** The routes that WeChat does not have, under /__simulator/: for tests, and for people who try the service out. */
import { z } from 'zod';
import { systemClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createCallbacks } from './callbacks/callbacks.ts';
import { DELIVERY_PATTERN_NAMES } from './callbacks/delivery-patterns.ts';
import { composeMessage, MESSAGE_KINDS } from './callbacks/messages.ts';
import { composeServiceMessage, composeTicket, SERVICE_KINDS } from './callbacks/service-messages.ts';
import { CALLBACK_FORMATS, CALLBACK_MODES } from './callbacks/signing.ts';
import { ACCOUNT_FAULT_NAMES } from './faults/account-fault-table.ts';
import { FAULT_ENDPOINTS } from './faults/account-wide-faults.ts';
import { RESPONSE_FAULT_NAMES, SIMULATED_KINDS } from './media/media-id.ts';
import type { SimulatedWechat } from './simulated-wechat.ts';

interface AdminContext {
  readonly simulator: SimulatedWechat;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface AdminRoute {
  readonly description: string;
  /** The members of its body or query, in words; shown in docs/simulator.md and beside a 400. */
  readonly parameters: string;
  /** Returns the response body; undefined means 404. Throws ZodError, or RangeError for unknown names. */
  handle(input: unknown, context: AdminContext): unknown;
}

const int32 = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1);
const account = z.string();
const responseFault = z.strictObject({
  name: z.enum(RESPONSE_FAULT_NAMES),
  times: z.int().min(0).max(255).exactOptional(),
  amount: int32.exactOptional(),
});
const seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
const media = {
  seed,
  sizeBytes: z
    .int()
    .min(1)
    .max(2 ** 31)
    .exactOptional(),
  fault: responseFault.exactOptional(),
};
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const callback = {
  account,
  url: z.url({ protocol: /^https?$/ }),
  mode: z.enum(CALLBACK_MODES).exactOptional(),
  format: z.enum(CALLBACK_FORMATS).exactOptional(),
  component: z.string().optional(),
};
const message = z.strictObject({
  ...media,
  kind: z.enum(MESSAGE_KINDS),
  fileKind: z.enum(SIMULATED_KINDS).exactOptional(),
  sentAt: time.exactOptional(),
  openId: z.string().exactOptional(),
  mediaId: z.string().exactOptional(),
  text: z.string().exactOptional(),
  withPicUrl: z.boolean().exactOptional(),
  withThumb: z.boolean().exactOptional(),
  with16k: z.boolean().exactOptional(),
  recognition: z.string().exactOptional(),
  fromArticle: z.boolean().exactOptional(),
});
const serviceMessage = z.strictObject({
  ...media,
  kind: z.enum(SERVICE_KINDS),
  openKfId: z.string().default('wkSimulated0000000000000000001'),
  mediaId: z.string().exactOptional(),
});
const MESSAGES_MAX = 500;

function route<Schema extends z.ZodType>(
  description: string,
  parameters: string,
  schema: Schema,
  handle: (input: z.output<Schema>, context: AdminContext) => unknown,
): AdminRoute {
  return { description, parameters, handle: (input, context) => handle(schema.parse(input), context) };
}

type CallbackInput = z.output<z.ZodObject<typeof callback>>;

function callbacksTo({ account: name, url, mode, format, component }: CallbackInput, context: AdminContext) {
  const { simulator, log } = context;
  return createCallbacks({
    account: simulator.accountOf(name),
    url,
    ...(mode && { mode }),
    ...(format && { format }),
    ...(component && { component: simulator.componentOf(component) }),
    clock: { now: simulator.now, sleep: systemClock.sleep },
    log,
    requestLog: simulator.requestLog,
  });
}

export const ADMIN_ROUTES: Readonly<Record<string, AdminRoute>> = {
  'GET names': route('every name that the routes below accept', '–', z.object({}), () => ({
    routes: Object.keys(ADMIN_ROUTES),
    responseFaults: RESPONSE_FAULT_NAMES,
    accountFaults: ACCOUNT_FAULT_NAMES,
    deliveryPatterns: DELIVERY_PATTERN_NAMES,
    kinds: SIMULATED_KINDS,
    messages: MESSAGE_KINDS,
  })),
  'GET request-log': route(
    'the callbacks sent, the requests received and how they ended',
    '–',
    z.object({}),
    (_, { simulator }) => simulator.requestLog.report(),
  ),
  'GET digest': route(
    'sha256 and size of the file behind a media id',
    'account, media_id, rendition (plain, jssdk)',
    z.object({ account, media_id: z.string(), rendition: z.enum(['plain', 'jssdk']).default('plain') }),
    (input, { simulator }) => simulator.digestOf(input.account, input.media_id, input.rendition),
  ),
  'POST mint': route(
    'a media id, with its digest and its PicUrl',
    'account, kind, seed, sizeBytes?, createdAt?, fault?',
    z.strictObject({ account, ...media, kind: z.enum(SIMULATED_KINDS), createdAt: time.exactOptional() }),
    async ({ account: name, ...recipe }, { simulator }) => {
      const mediaId = simulator.mint(name, recipe);
      return { mediaId, picUrl: simulator.picUrl(mediaId), ...(await simulator.digestOf(name, mediaId)) };
    },
  ),
  'POST account-wide-fault': route(
    'applies a response fault to every response of media/get (or another endpoint) to an account; without a fault, ends it',
    `account, fault? {name, times?, amount?}, endpoint? (${FAULT_ENDPOINTS.join(', ')})`,
    z.strictObject({
      account,
      fault: responseFault.optional(),
      endpoint: z.enum(FAULT_ENDPOINTS).exactOptional(),
    }),
    (input, { simulator }) => {
      simulator.setAccountWideFault(input.account, input.fault, input.endpoint);
      return input;
    },
  ),
  'POST account-fault': route(
    'begins an account fault',
    'account, name, amount?, times?',
    z.strictObject({
      account,
      name: z.enum(ACCOUNT_FAULT_NAMES),
      amount: int32.exactOptional(),
      times: z.int().min(0).exactOptional(),
    }),
    ({ account: name, ...fault }, { simulator }) => {
      simulator.beginAccountFault(name, fault);
      return { account: name, accountFaults: simulator.accountFaultsOf(name) };
    },
  ),
  'POST end-account-fault': route(
    'ends one fault of an account, or all of them',
    'account, name?',
    z.strictObject({ account, name: z.enum(ACCOUNT_FAULT_NAMES).optional() }),
    (input, { simulator }) => {
      simulator.endAccountFault(input.account, input.name);
      return { account: input.account, accountFaults: simulator.accountFaultsOf(input.account) };
    },
  ),
  'POST reset-quotas': route(
    'sets the day’s quota counters of an account to zero, as midnight in Beijing does',
    'account',
    z.strictObject({ account }),
    (input, { simulator }) => {
      simulator.resetQuotas(input.account);
      return input;
    },
  ),
  'POST invalidate-token': route(
    'invalidates every access token of an account',
    'account',
    z.strictObject({ account }),
    (input, { simulator }) => {
      simulator.invalidateTokens(input.account);
      return { invalidated: input.account };
    },
  ),
  'POST send': route(
    `sends at most ${MESSAGES_MAX} callbacks and responds when each has its response`,
    'account, url, messages [{kind, seed, …}], pattern?, mode?, format?, component?',
    z.strictObject({
      ...callback,
      messages: z.array(message).min(1).max(MESSAGES_MAX),
      pattern: z.enum(DELIVERY_PATTERN_NAMES).default('inOrder'),
    }),
    async ({ messages, pattern, ...to }, context) => {
      const composed = messages.map((spec) =>
        composeMessage(context.simulator, { account: to.account, ...spec }),
      );
      const deliveries = await callbacksTo(to, context).sendAll(composed, pattern, context.signal);
      return { mediaIds: composed.map(({ mediaIds }) => mediaIds), deliveries };
    },
  ),
  'POST send-service': route(
    'adds messages to what kf/sync_msg lists and sends a callback for each (WeCom)',
    'account, url, messages [{kind, seed, openKfId?, …}], pattern?',
    z.strictObject({
      ...callback,
      messages: z.array(serviceMessage).min(1).max(MESSAGES_MAX),
      pattern: z.enum(DELIVERY_PATTERN_NAMES).default('inOrder'),
    }),
    async ({ messages, pattern, ...to }, context) => {
      const composed = messages.map((spec) =>
        composeServiceMessage(context.simulator, { account: to.account, ...spec }),
      );
      const deliveries = await callbacksTo(to, context).sendAll(composed, pattern, context.signal);
      return { mediaIds: composed.map(({ mediaIds }) => mediaIds), deliveries };
    },
  ),
  'POST handshake': route(
    'sends the GET that WeChat makes when the callback URL is saved',
    'account, url, component?',
    z.strictObject(callback),
    async (to, context) => ({ accepted: await callbacksTo(to, context).sendHandshake(context.signal) }),
  ),
  'POST ticket': route(
    'sends the component_verify_ticket of a third-party platform',
    'account (any of the platform’s), component, url',
    z.strictObject({ ...callback, component: z.string() }),
    (to, context) =>
      callbacksTo(to, context).send(composeTicket(context.simulator, to.component), context.signal),
  ),
  'POST rotate-refresh-token': route(
    'gives an account of a third-party platform another refresh token; the previous one gets 61023',
    'account',
    z.strictObject({ account }),
    (input, { simulator }) => ({ refreshToken: simulator.components.rotateRefreshToken(input.account) }),
  ),
};
