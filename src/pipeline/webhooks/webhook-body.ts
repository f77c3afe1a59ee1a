/** The body of a webhook: the event as GET /v1/events has it. */
import type { DeliveredEvent } from '../../catalogue/webhooks/delivery-row.ts';
import type { Event } from '../../event.ts';
import type { Language } from '../../explanation.ts';
import type { EventJson } from '../events/event-json.ts';

/** The type of the message with which an endpoint is tested; it is no event of the feed. */
export const TEST_TYPE = 'webhook.test';

export interface WebhookBody {
  readonly text: string;
  /** Of the media item, if the event is about one that has a trace. */
  readonly traceparent?: string | undefined;
}

/** Returns the bodies of events, in their order. What they are about is read anew. */
export function createWebhookBodies(
  eventJson: (events: readonly Event[], language: Language) => Promise<EventJson[]>,
  language: Language,
) {
  return async (events: readonly DeliveredEvent[]): Promise<WebhookBody[]> =>
    (
      await eventJson(
        events.map((event) => ({ ...event, sequencedAt: event.at })),
        language,
      )
    ).map((json) => {
      const { traceparent } = json.data;
      return {
        text: JSON.stringify(json),
        ...(typeof traceparent === 'string' ? { traceparent } : {}),
      };
    });
}

/** Returns the body of a test message, with the fields of an event. */
export const testBody = (id: string, at: Date): string =>
  JSON.stringify({ id, type: TEST_TYPE, at, account: null, sequence: 0, data: {} });
