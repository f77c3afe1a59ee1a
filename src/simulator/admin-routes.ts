/** The routes that WeChat does not have, under /__simulator/: what a test or a person may ask while it runs. */
import { z } from 'zod';
import { systemClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { createCallbacks } from './callbacks/callbacks.ts';
import { DELIVERY_NAMES } from './callbacks/delivery-patterns.ts';
import { composeMessage, MESSAGE_KINDS } from './callbacks/messages.ts';
import { composeServiceMessage, composeTicket, SERVICE_KINDS } from './callbacks/service-messages.ts';
import { CALLBACK_FORMATS, CALLBACK_MODES } from './callbacks/signing.ts';
import { TROUBLE_NAMES } from './faults/account-fault-table.ts';
import { PLACES } from './faults/account-wide-faults.ts';
import { BEHAVIOUR_NAMES, SIMULATED_KINDS } from './media/media-id.ts';
import type { Simulator } from './server.ts';

interface Context {
  readonly simulator: Simulator;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface AdminRoute {
  readonly says: string;
  /** The members of its body, or of its query; for people. */
  readonly takes: string;
  /** Throws ZodError, or RangeError for names that mean nothing here; undefined where there is nothing to give. */
  answer(input: unknown, context: Context): unknown;
}

const number = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1);
const account = z.string();
const behaviour = z.strictObject({
  name: z.enum(BEHAVIOUR_NAMES),
  times: z.int().min(0).max(255).exactOptional(),
  amount: number.exactOptional(),
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
  behaviour: behaviour.exactOptional(),
};
const at = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
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
  sentAt: at.exactOptional(),
  openId: z.string().exactOptional(),
  mediaId: z.string().exactOptional(),
  text: z.string().exactOptional(),
  withPicUrl: z.boolean().exactOptional(),
  withThumb: z.boolean().exactOptional(),
  with16k: z.boolean().exactOptional(),
  fromArticle: z.boolean().exactOptional(),
});
const serviceMessage = z.strictObject({
  ...media,
  kind: z.enum(SERVICE_KINDS),
  openKfId: z.string().default('wkSimulated0000000000000000001'),
  mediaId: z.string().exactOptional(),
});
const MESSAGES_MOST = 500;

function route<Schema extends z.ZodType>(
  says: string,
  takes: string,
  schema: Schema,
  answer: (input: z.output<Schema>, context: Context) => unknown,
): AdminRoute {
  return { says, takes, answer: (input, context) => answer(schema.parse(input), context) };
}

type CallbackInput = z.output<z.ZodObject<typeof callback>>;

function callbacksTo({ account: name, url, mode, format, component }: CallbackInput, context: Context) {
  const { simulator, log } = context;
  return createCallbacks({
    account: simulator.accountOf(name),
    url,
    ...(mode && { mode }),
    ...(format && { format }),
    ...(component && { component: simulator.componentOf(component) }),
    clock: { now: simulator.now, sleep: systemClock.sleep },
    log,
    ledger: simulator.ledger,
  });
}

export const ADMIN_ROUTES: Readonly<Record<string, AdminRoute>> = {
  'GET names': route('the names of everything that can be asked for', '–', z.object({}), () => ({
    routes: Object.keys(ADMIN_ROUTES),
    behaviours: BEHAVIOUR_NAMES,
    troubles: TROUBLE_NAMES,
    deliveries: DELIVERY_NAMES,
    kinds: SIMULATED_KINDS,
    messages: MESSAGE_KINDS,
  })),
  'GET ledger': route('what was sent, asked, served and refused', '–', z.object({}), (_, { simulator }) =>
    simulator.ledger.report(),
  ),
  'GET digest': route(
    'sha256 and size of the file behind an id',
    'account, media_id, rendition (plain, jssdk)',
    z.object({ account, media_id: z.string(), rendition: z.enum(['plain', 'jssdk']).default('plain') }),
    (input, { simulator }) => simulator.digestOf(input.account, input.media_id, input.rendition),
  ),
  'POST mint': route(
    'a media id, with its digest and its PicUrl',
    'account, kind, seed, sizeBytes?, createdAt?, behaviour?',
    z.strictObject({ account, ...media, kind: z.enum(SIMULATED_KINDS), createdAt: at.exactOptional() }),
    async ({ account: name, ...recipe }, { simulator }) => {
      const mediaId = simulator.mint(name, recipe);
      return { mediaId, picUrl: simulator.picUrl(mediaId), ...(await simulator.digestOf(name, mediaId)) };
    },
  ),
  'POST misbehave': route(
    'a behaviour for every answer of media/get to an account (or of another place); without one, an end to it',
    `account, behaviour? {name, times?, amount?}, at? (${PLACES.join(', ')})`,
    z.strictObject({ account, behaviour: behaviour.optional(), at: z.enum(PLACES).exactOptional() }),
    (input, { simulator }) => {
      simulator.misbehave(input.account, input.behaviour, input.at);
      return input;
    },
  ),
  'POST trouble': route(
    'brings a trouble upon an account',
    'account, name, amount?, times?',
    z.strictObject({
      account,
      name: z.enum(TROUBLE_NAMES),
      amount: number.exactOptional(),
      times: z.int().min(0).exactOptional(),
    }),
    ({ account: name, ...trouble }, { simulator }) => {
      simulator.trouble(name, trouble);
      return { account: name, troubles: simulator.troublesOf(name) };
    },
  ),
  'POST heal': route(
    'ends one trouble of an account, or all',
    'account, name?',
    z.strictObject({ account, name: z.enum(TROUBLE_NAMES).optional() }),
    (input, { simulator }) => {
      simulator.heal(input.account, input.name);
      return { account: input.account, troubles: simulator.troublesOf(input.account) };
    },
  ),
  'POST midnight': route(
    'the day’s quota counters of an account begin anew',
    'account',
    z.strictObject({ account }),
    (input, { simulator }) => {
      simulator.midnight(input.account);
      return input;
    },
  ),
  'POST invalidate-token': route(
    'kills every access token of an account',
    'account',
    z.strictObject({ account }),
    (input, { simulator }) => {
      simulator.invalidateTokens(input.account);
      return { invalidated: input.account };
    },
  ),
  'POST send': route(
    `sends callbacks, at most ${MESSAGES_MOST}, and answers when all were answered`,
    'account, url, messages [{kind, seed, …}], how?, mode?, format?, component?',
    z.strictObject({
      ...callback,
      messages: z.array(message).min(1).max(MESSAGES_MOST),
      how: z.enum(DELIVERY_NAMES).default('inOrder'),
    }),
    async ({ messages, how, ...to }, context) => {
      const composed = messages.map((wish) =>
        composeMessage(context.simulator, { account: to.account, ...wish }),
      );
      const deliveries = await callbacksTo(to, context).sendAll(composed, how, context.signal);
      return { mediaIds: composed.map(({ mediaIds }) => mediaIds), deliveries };
    },
  ),
  'POST send-service': route(
    'puts messages where kf/sync_msg finds them and sends a callback for each (WeCom)',
    'account, url, messages [{kind, seed, openKfId?, …}], how?',
    z.strictObject({
      ...callback,
      messages: z.array(serviceMessage).min(1).max(MESSAGES_MOST),
      how: z.enum(DELIVERY_NAMES).default('inOrder'),
    }),
    async ({ messages, how, ...to }, context) => {
      const composed = messages.map((wish) =>
        composeServiceMessage(context.simulator, { account: to.account, ...wish }),
      );
      const deliveries = await callbacksTo(to, context).sendAll(composed, how, context.signal);
      return { mediaIds: composed.map(({ mediaIds }) => mediaIds), deliveries };
    },
  ),
  'POST handshake': route(
    'the GET that WeChat makes when the URL is saved',
    'account, url, component?',
    z.strictObject(callback),
    async (to, context) => ({ accepted: await callbacksTo(to, context).sendHandshake(context.signal) }),
  ),
  'POST ticket': route(
    'sends the component_verify_ticket of a third-party platform',
    'account (any it has), component, url',
    z.strictObject({ ...callback, component: z.string() }),
    (to, context) =>
      callbacksTo(to, context).send(composeTicket(context.simulator, to.component), context.signal),
  ),
  'POST rotate': route(
    'gives an account of a third-party platform another refresh token; the one before meets 61023',
    'account',
    z.strictObject({ account }),
    (input, { simulator }) => ({ refreshToken: simulator.components.rotate(input.account) }),
  ),
};
