/** From what a program hands over – messages as it parsed them, or references – to references that are checked. */
import { type ReferenceInput, referenceSchema } from '../media.ts';
import { readReferences } from '../wechat/callback/references.ts';
import type { ProducerInput } from './producer.ts';
import { ProducerError } from './producer-error.ts';

const AT_ONCE = 500;

/** All references of all things given, in order. Throws {@link ProducerError} `invalid` with the index of the wrong one. */
export function readGiven(given: readonly ProducerInput[], account: string): ReferenceInput[] {
  if (given.length > AT_ONCE) throw new ProducerError('invalid', `at most ${AT_ONCE} at once`);
  return given.flatMap((one, index) => {
    try {
      return isMessage(one) ? readMessage(one, account) : [readReference(one, account)];
    } catch (error) {
      if (!(error instanceof ProducerError) || given.length === 1) throw error;
      throw new ProducerError('invalid', `item ${index}: ${error.message.replace(/^[^:]*: /, '')}`);
    }
  });
}

const isMessage = (one: ProducerInput): one is Extract<ProducerInput, { MsgType: unknown }> =>
  typeof one === 'object' && one !== null && 'MsgType' in one;

function readMessage(message: object, account: string): ReferenceInput[] {
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries(message)) {
    const text = textOf(value);
    if (text !== undefined) fields.set(name, text);
  }
  const read = readReferences(account, fields);
  if (read.kind === 'malformed') throw new ProducerError('invalid', read.why);
  return read.kind === 'media' ? [...read.references] : [];
}

/** Parsers differ: xml2js wraps every text in an array of one, JSON.parse makes numbers. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)))
    return String(value);
  return Array.isArray(value) && value.length === 1 ? textOf(value[0]) : undefined;
}

function readReference(given: unknown, account: string): ReferenceInput {
  if (typeof given !== 'object' || given === null || !('mediaId' in given)) {
    throw new ProducerError('invalid', 'neither a message (it has no MsgType) nor a reference (no mediaId)');
  }
  const fields = Object.entries(given).filter(([, value]) => value !== undefined);
  const plain = fields.map(([name, value]) => [name, value instanceof Date ? isoOf(value) : value]);
  const parsed = referenceSchema.safeParse({ account, ...Object.fromEntries(plain) });
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'reference'}: ${issue.message}`);
  throw new ProducerError('invalid', reasons.join('; ').slice(0, 500));
}

/** An invalid Date is left to the schema to refuse. */
const isoOf = (date: Date) => (Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString());
