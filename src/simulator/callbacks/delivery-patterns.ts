/** In which order and how often callbacks arrive, as a table: WeChat promises neither order nor once. */
import type { Message } from './messages.ts';

export interface Step {
  readonly message: Message;
  /** The very bytes of the time before, signature and all; otherwise signed anew. */
  readonly replay?: true;
}

export interface DeliveryRow {
  readonly says: string;
  /** What is sent at the same time stands in one list; the lists follow each other. `random` gives [0, 1). */
  plan(messages: readonly Message[], random: () => number): readonly (readonly Step[])[];
}

const steps = (messages: readonly Message[]): Step[] => messages.map((message) => ({ message }));
const oneByOne = (list: readonly Step[]) => list.map((step) => [step]);

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!);
}

export const DELIVERIES = {
  inOrder: { says: 'once, one after the other', plan: (messages) => oneByOne(steps(messages)) },
  redelivered: {
    says: 'each again as soon as it was answered, signed anew',
    plan: (messages) => oneByOne(steps(messages.flatMap((message) => [message, message]))),
  },
  redeliveredLate: {
    says: 'all of them, then all of them again',
    plan: (messages) => oneByOne(steps([...messages, ...messages])),
  },
  duplicated: {
    says: 'each twice at the same moment',
    plan: (messages) => messages.map((message) => steps([message, message])),
  },
  replayed: {
    says: 'each again with the very bytes and signature of the first time',
    plan: (messages) => messages.flatMap((message) => [[{ message }], [{ message, replay: true as const }]]),
  },
  reversed: { says: 'the last first', plan: (messages) => oneByOne(steps(messages.toReversed())) },
  shuffled: {
    says: 'in an order that means nothing',
    plan: (messages, random) => oneByOne(steps(shuffled(messages, random))),
  },
  atOnce: { says: 'all at the same moment', plan: (messages) => [steps(messages)] },
} as const satisfies Record<string, DeliveryRow>;

export type DeliveryName = keyof typeof DELIVERIES;
export const DELIVERY_NAMES = Object.keys(DELIVERIES) as readonly DeliveryName[];
