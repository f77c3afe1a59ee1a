/** The webhooks section of the OpenAPI document: one request for each type of event. */
import { EVENT_TYPES, type EventType } from '../../../event.ts';
import { archivedExample, deadExample, erasedExample, pendingExample } from '../media/media-schema.ts';
import { accountExample } from '../operations/accounts.ts';
import { storesExample } from '../operations/store.ts';

const { account, name, product, hold } = accountExample;
const heldAccount = { account, name, product, hold };
const heldStore = { name: storesExample.items[0]?.name, hold: storesExample.hold };

interface Described {
  readonly summary: string;
  readonly schema: 'MediaEvent' | 'AccountEvent' | 'StoreEvent';
  readonly data: object;
}

const EVENTS: Readonly<Record<EventType, Described>> = {
  'media.archived': {
    summary: 'A media item is stored and verified',
    schema: 'MediaEvent',
    data: archivedExample,
  },
  'media.dead': { summary: 'A media item failed for good', schema: 'MediaEvent', data: deadExample },
  'media.expired': {
    summary: 'The deadline of a media item passed before it was stored',
    schema: 'MediaEvent',
    data: { ...deadExample, status: 'expired' },
  },
  'media.at_risk': {
    summary: 'The deadline of a pending media item is near; sent once for each deadline',
    schema: 'MediaEvent',
    data: pendingExample,
  },
  'media.redriven': {
    summary: 'A dead or expired media item is attempted again',
    schema: 'MediaEvent',
    data: { ...pendingExample, redrives: 1 },
  },
  'media.erased': {
    summary: 'A media item was erased: delete what you have of it',
    schema: 'MediaEvent',
    data: erasedExample,
  },
  'account.held': { summary: 'An account is held', schema: 'AccountEvent', data: heldAccount },
  'account.released': {
    summary: 'An account is not held any more',
    schema: 'AccountEvent',
    data: { ...heldAccount, hold: null },
  },
  'store.held': {
    summary: 'The storage refuses, so that all archiving waits',
    schema: 'StoreEvent',
    data: heldStore,
  },
  'store.released': {
    summary: 'The storage accepts again',
    schema: 'StoreEvent',
    data: { ...heldStore, hold: null },
  },
};

const DESCRIPTION =
  'Standard Webhooks 1.0. Check the signature before the content is believed, and skip an event whose id was seen: each is sent at least once. Respond within 15 seconds.';

const header = (name: string, description: string, example: string) => ({
  in: 'header',
  name,
  required: true,
  description,
  schema: { type: 'string' },
  example,
});

const EXAMPLE_ID = `evt_${'5f0c1d2e3a4b5c6d'.repeat(2)}`;

const HEADERS = [
  header('webhook-id', 'the id of the event', EXAMPLE_ID),
  header('webhook-timestamp', 'when the request was signed, in seconds since 1970', '1795161600'),
  header(
    'webhook-signature',
    'one or more signatures, separated by blanks: `v1,` and the base64 of the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`',
    'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
  ),
];

const RESPONSES = {
  '2XX': { description: 'Accepted. Everything else is sent again, for about five days.' },
  '410': { description: 'The endpoint is disabled: nothing is sent to it any more.' },
};

/** An event as it is sent, with the data of the example. */
export function exampleEvent(type: EventType) {
  const { schema, data } = EVENTS[type];
  const at = '2026-11-20T08:00:05.120Z';
  return {
    id: EXAMPLE_ID,
    type,
    at,
    account: schema === 'StoreEvent' ? null : account,
    sequence: 4711,
    data,
  };
}

/** `media.at_risk` → onMediaAtRisk */
const operationIdOf = (type: string) =>
  `on${type.replaceAll(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;

export const webhookDocs = Object.fromEntries(
  EVENT_TYPES.map((type) => {
    const { summary, schema } = EVENTS[type];
    const post = {
      operationId: operationIdOf(type),
      tags: ['webhooks'],
      summary,
      description: DESCRIPTION,
      security: [],
      parameters: HEADERS,
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: { $ref: `#/components/schemas/${schema}` },
            example: exampleEvent(type),
          },
        },
      },
      responses: RESPONSES,
    };
    return [type, { post }];
  }),
);
