/** The table of orders and repetitions in which callbacks arrive: WeChat promises neither order nor single delivery. */
import type { Message } from './messages.ts';

export interface DeliveryStep {
  readonly message: Message;
  /** Sends the same bytes and signature as the last time; otherwise the message is signed anew. */
  readonly replay?: true;
}

export interface DeliveryPattern {
  readonly description: string;
  /** Returns lists that follow each other; the steps of one list are concurrent. `random` returns [0, 1). */
  plan(messages: readonly Message[], random: () => number): readonly (readonly DeliveryStep[])[];
}

const steps = (messages: readonly Message[]): DeliveryStep[] => messages.map((message) => ({ message }));
const sequential = (list: readonly DeliveryStep[]) => list.map((step) => [step]);

function shuffle<Item>(items: readonly Item[], random: () => number): Item[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!);
}

export const DELIVERY_PATTERNS = {
  inOrder: { description: 'once, one after the other', plan: (messages) => sequential(steps(messages)) },
  redelivered: {
    description: 'each again after its response, signed anew',
    plan: (messages) => sequential(steps(messages.flatMap((message) => [message, message]))),
  },
  redeliveredLate: {
    description: 'all of them, then all of them again',
    plan: (messages) => sequential(steps([...messages, ...messages])),
  },
  duplicated: {
    description: 'each twice at the same time',
    plan: (messages) => messages.map((message) => steps([message, message])),
  },
  replayed: {
    description: 'each again with the same bytes and signature',
    plan: (messages) => messages.flatMap((message) => [[{ message }], [{ message, replay: true as const }]]),
  },
  reversed: { description: 'the last first', plan: (messages) => sequential(steps(messages.toReversed())) },
  shuffled: {
    description: 'in a random order',
    plan: (messages, random) => sequential(steps(shuffle(messages, random))),
  },
  atOnce: { description: 'all at the same time', plan: (messages) => [steps(messages)] },
} as const satisfies Record<string, DeliveryPattern>;

export type DeliveryPatternName = keyof typeof DELIVERY_PATTERNS;
export const DELIVERY_PATTERN_NAMES = Object.keys(DELIVERY_PATTERNS) as readonly DeliveryPatternName[];
