/** The schema of an event, as GET /v1/events lists it and as webhooks send it. */
import { z } from 'zod';
import { EVENT_TYPES, type EventType } from '../../../event.ts';
import { count, responseTime } from '../field-schemas.ts';
import { mediaSchema } from '../media/media-schema.ts';
import { accountHoldSchema } from '../operations/accounts.ts';
import { storeHoldSchema } from '../operations/store-hold-schema.ts';

const typesOf = <Subject extends string>(subject: Subject) =>
  EVENT_TYPES.filter((type): type is Extract<EventType, `${Subject}.${string}`> =>
    type.startsWith(`${subject}.`),
  );
export const MEDIA_EVENT_TYPES = typesOf('media');
export const ACCOUNT_EVENT_TYPES = typesOf('account');
export const STORE_EVENT_TYPES = typesOf('store');

const eventAccountSchema = z.object({
  account: z.string(),
  name: z.string().optional(),
  product: z.string().optional(),
  hold: accountHoldSchema.nullable(),
});
const eventStoreSchema = z.object({ name: z.string(), hold: storeHoldSchema.nullable() });

const account = z.string().describe('the account that the event is about');
const fields = {
  id: z
    .string()
    .regex(/^evt_[0-9a-f]{32}$/)
    .describe('the same at each delivery, and the value of webhook-id: skip an id that you have seen'),
  at: responseTime.describe('when it happened'),
  sequence: count.describe(
    'grows with each event: events sorted by it are in the order in which they happened',
  ),
};

const mediaEventSchema: z.ZodType = z
  .object({
    ...fields,
    type: z.enum(MEDIA_EVENT_TYPES),
    account,
    data: mediaSchema,
  })
  .meta({
    id: 'MediaEvent',
    description: 'What became of a media item. `data` is the item as it is when the event is read or sent.',
  });
const accountEventSchema: z.ZodType = z
  .object({ ...fields, type: z.enum(ACCOUNT_EVENT_TYPES), account, data: eventAccountSchema })
  .meta({ id: 'AccountEvent', description: 'An account was held or released. `data` is the account.' });
const storeEventSchema: z.ZodType = z
  .object({
    ...fields,
    type: z.enum(STORE_EVENT_TYPES),
    account: z.null().describe('all accounts'),
    data: eventStoreSchema,
  })
  .meta({ id: 'StoreEvent', description: 'All archiving was held or released. `data` is the store.' });

const componentOf = (name: string, types: readonly string[]) =>
  types.map((type) => [type, `#/components/schemas/${name}`] as const);

export const eventSchema: z.ZodType = z.union([mediaEventSchema, accountEventSchema, storeEventSchema]).meta({
  id: 'Event',
  discriminator: {
    propertyName: 'type',
    mapping: Object.fromEntries([
      ...componentOf('MediaEvent', MEDIA_EVENT_TYPES),
      ...componentOf('AccountEvent', ACCOUNT_EVENT_TYPES),
      ...componentOf('StoreEvent', STORE_EVENT_TYPES),
    ]),
  },
});
