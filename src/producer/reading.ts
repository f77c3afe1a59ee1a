/** Reads and validates the input of a producer: messages that its program has parsed, or references. */
import { fieldErrorsOf, parseInput } from '../field-errors.ts';
import { type ReferenceInput, referenceSchema } from '../media.ts';
import { readReferences } from '../wechat/callback/references.ts';
import type { ProducerInput, WechatMessage } from './input.ts';
import { ProducerError } from './producer-error.ts';

const INPUT_LIMIT = 500;

/**
 * Returns the references of all inputs, in order. Throws a {@link ProducerError} `invalid` with the index of the
 * invalid one.
 */
export function readInputs(inputs: readonly ProducerInput[], account: string): ReferenceInput[] {
  if (inputs.length > INPUT_LIMIT) throw new ProducerError('invalid', `at most ${INPUT_LIMIT} at once`);
  return inputs.flatMap((input, index) => {
    try {
      return isMessage(input) ? readMessage(input, account) : [readReference(input, account)];
    } catch (error) {
      if (!(error instanceof ProducerError) || inputs.length === 1) throw error;
      throw new ProducerError('invalid', `item ${index}: ${error.message.replace(/^[^:]*: /, '')}`);
    }
  });
}

const isMessage = (input: ProducerInput): input is WechatMessage =>
  typeof input === 'object' && input !== null && 'MsgType' in input;

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

/**
 * Returns the text of a value. Parsers differ: xml2js wraps every text in an array with one element, JSON.parse returns
 * numbers.
 */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)))
    return String(value);
  return Array.isArray(value) && value.length === 1 ? textOf(value[0]) : undefined;
}

function readReference(input: unknown, account: string): ReferenceInput {
  if (typeof input !== 'object' || input === null || !('mediaId' in input)) {
    throw new ProducerError('invalid', 'neither a message (it has no MsgType) nor a reference (no mediaId)');
  }
  const fields = Object.entries(input).filter(([, value]) => value !== undefined);
  const plain = fields.map(([name, value]) => [name, value instanceof Date ? isoOf(value) : value]);
  const reference = { account, ...Object.fromEntries(plain) };
  const parsed = parseInput(referenceSchema, reference);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const errors = fieldErrorsOf(issues, {
    place: 'body',
    input: reference,
    schema: referenceSchema,
    whole: 'reference',
  });
  const reasons = errors.slice(0, 5).map(({ field, message }) => `${field}: ${message.en}`);
  throw new ProducerError('invalid', reasons.join('; ').slice(0, 500));
}

/** Formats a date. An invalid Date becomes a text that the schema rejects. */
const isoOf = (date: Date) => (Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString());
