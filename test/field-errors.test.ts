/** The sentences about invalid fields: one for each kind of issue that zod knows, none of them zod's own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import {
  type FieldError,
  fieldErrorsOf,
  formatted,
  type ParsedInput,
  parseInput,
  refuse,
  saying,
} from '../src/field-errors.ts';

function errorsOf(schema: z.ZodType, input: unknown, options: Partial<ParsedInput> = {}): FieldError[] {
  const parsed = parseInput(schema, input);
  assert.ok(!parsed.success, 'the input is refused');
  return fieldErrorsOf(parsed.error.issues, { place: 'body', schema, input, ...options });
}

type Case = [issue: string, schema: z.ZodType, input: unknown, en: string, zh: string];

const ID = formatted(/^m_[0-9a-f]{4}$/, { en: 'is not the id of a media item', zh: '不是素材的 id' });

const CASES: readonly Case[] = [
  [
    'invalid_type',
    z.string(),
    5,
    'must be text in quotes, for example "text"',
    '必须是带引号的文本，例如 "text"',
  ],
  ['invalid_type', z.string(), undefined, 'is required, for example "text"', '为必填项，例如 "text"'],
  ['invalid_type', z.number(), 'x', 'must be a number, for example 10', '必须是数字，例如 10'],
  ['invalid_type', z.int(), 1.5, 'must be a whole number, for example 10', '必须是整数，例如 10'],
  ['invalid_type', z.boolean(), 'yes', 'must be true or false', '必须是 true 或 false'],
  [
    'invalid_type',
    z.array(z.string()),
    {},
    'must be a list, for example ["text"]',
    '必须是数组，例如 ["text"]',
  ],
  ['invalid_type', z.date(), 'x', 'has the wrong form', '格式有误'],
  ['too_small', z.string().min(1), '', 'must not be empty', '不能为空'],
  ['too_small', z.string().min(3), 'ab', 'must have at least 3 characters', '至少需要 3 个字符'],
  ['too_big', z.string().max(1), 'ab', 'must have at most 1 character', '最多 1 个字符'],
  ['too_big', z.string().length(2), 'abc', 'must have exactly 2 characters', '必须有 2 个字符'],
  ['too_small', z.array(z.string()).min(1), [], 'must not be empty', '不能为空'],
  ['too_big', z.array(z.int()).max(1), [1, 2], 'must have at most 1 entry', '最多 1 项'],
  ['too_small', z.number().min(1), 0, 'must be at least 1', '不能小于 1'],
  ['too_big', z.number().max(9), 10, 'must be at most 9', '不能大于 9'],
  ['too_small', z.number().gt(1), 1, 'must be more than 1', '必须大于 1'],
  ['too_big', z.number().lt(1), 1, 'must be less than 1', '必须小于 1'],
  [
    'too_big',
    z.date().max(new Date(0)),
    new Date(1),
    'must be at most 1970-01-01T00:00:00.000Z',
    '不能大于 1970-01-01T00:00:00.000Z',
  ],
  ['invalid_format', ID, 'x', 'is not the id of a media item', '不是素材的 id'],
  ['invalid_format', z.string().regex(/^a$/), 'b', 'must match /^a$/', '必须匹配 /^a$/'],
  [
    'invalid_format',
    z.iso.datetime({ offset: true }),
    'today',
    'must be a time with its offset from UTC, for example "2026-11-20T08:00:00+08:00"',
    '必须是带时区偏移的时间，例如 "2026-11-20T08:00:00+08:00"',
  ],
  [
    'invalid_format',
    z.url(),
    'x',
    'must be an address that begins with http:// or https://, for example "https://example.com/picture.jpg"',
    '必须是以 http:// 或 https:// 开头的地址，例如 "https://example.com/picture.jpg"',
  ],
  ['invalid_format', z.string().startsWith('m_'), 'x', 'must begin with m_', '必须以 m_ 开头'],
  ['invalid_format', z.string().endsWith('/'), 'x', 'must end with /', '必须以 / 结尾'],
  ['invalid_format', z.string().includes('@'), 'x', 'must contain @', '必须包含 @'],
  ['invalid_format', z.ipv4(), 'x', 'must be a valid ipv4', '必须是有效的 ipv4'],
  ['invalid_value', z.enum(['a', 'b']), 'c', 'must be one of "a", "b"', '必须是以下值之一："a"、"b"'],
  ['invalid_value', z.literal(true), false, 'must be true', '必须是 true'],
  [
    'not_multiple_of',
    z.number().multipleOf(5),
    3,
    'must be a multiple of 5, for example 5',
    '必须是 5 的倍数，例如 5',
  ],
  [
    'unrecognized_keys',
    z.strictObject({ a: z.string().optional() }),
    { b: 1 },
    'is not a field of this request; allowed: a',
    '不是此请求的字段，可用字段：a',
  ],
  [
    'invalid_union',
    z.union([z.string(), z.array(z.string())]),
    5,
    'must be text in quotes or a list, for example "text"',
    '必须是带引号的文本 或 数组，例如 "text"',
  ],
  [
    'invalid_union',
    z.union([z.string(), z.object({ a: z.int() })]),
    { a: 'x' },
    'has the wrong form',
    '格式有误',
  ],
  [
    'invalid_union',
    z.discriminatedUnion('type', [z.object({ type: z.literal('a') }), z.object({ type: z.literal('b') })]),
    { type: 'c' },
    'must be one of "a", "b"',
    '必须是以下值之一："a"、"b"',
  ],
  [
    'invalid_key',
    z.record(z.string().max(1), z.string()),
    { ab: 'c' },
    'has a name that is not allowed; it must have at most 1 character',
    '名称不符合要求：最多 1 个字符',
  ],
  [
    'invalid_element',
    z.map(z.object({}), z.object({ a: z.int() })),
    new Map([[{}, { a: 'x' }]]),
    'must be a number, for example 10',
    '必须是数字，例如 10',
  ],
  [
    'custom',
    z.string().refine(() => false, saying({ en: 'is taken', zh: '已被占用' })),
    'x',
    'is taken',
    '已被占用',
  ],
  [
    'custom',
    z.string().superRefine((_, context) => refuse(context, { en: 'is taken', zh: '已被占用' })),
    'x',
    'is taken',
    '已被占用',
  ],
];

/** Every kind that zod can raise: the type says so, so a new release of zod that has another does not compile here. */
const KINDS: Readonly<Record<z.core.$ZodIssueCode, true>> = {
  invalid_type: true,
  too_big: true,
  too_small: true,
  invalid_format: true,
  not_multiple_of: true,
  unrecognized_keys: true,
  invalid_union: true,
  invalid_key: true,
  invalid_element: true,
  invalid_value: true,
  custom: true,
};

describe('an invalid field', () => {
  for (const [issue, schema, input, en, zh] of CASES)
    test(`with ${issue} says in both languages: ${en}`, () => {
      const parsed = parseInput(schema, input);
      assert.equal(parsed.error?.issues[0]?.code, issue);
      assert.deepEqual(errorsOf(schema, input)[0]?.message, { en, zh });
    });

  test('of every kind that zod knows is among these', () => {
    assert.deepEqual([...new Set(CASES.map(([issue]) => issue))].sort(), Object.keys(KINDS).sort());
  });

  const schema = z.strictObject({
    filter: z.strictObject({ account: z.preprocess((value) => [value].flat(), z.array(z.string())) }),
    ids: z.array(ID).optional(),
  });
  const example = { filter: { account: ['wx1'] }, ids: ['m_0a1b'] };

  test('is shown with the value that the example of the request has there', () => {
    const [account, ids] = errorsOf(schema, { filter: { account: 5 }, ids: ['x'] }, { example });
    assert.equal(account?.message.en, 'must be text in quotes, for example "wx1"');
    assert.equal(ids?.message.en, 'is not the id of a media item, such as "m_0a1b"');
    const [filter] = errorsOf(schema, {}, { example });
    assert.equal(filter?.message.en, 'is required, for example {"account":["wx1"]}');
  });

  test('is named as the client wrote it: a single value in place of a list has no index', () => {
    const fields = errorsOf(schema, { filter: { account: 5 }, ids: ['m_0000', 'x'] }).map(
      ({ field }) => field,
    );
    assert.deepEqual(fields, ['filter.account', 'ids.1']);
  });

  test('that is unknown is named with the fields of its own object', () => {
    const [error] = errorsOf(schema, { filter: { account: 'wx1', acount: 'x' } });
    assert.equal(error?.field, 'filter.acount');
    assert.equal(error?.message.en, 'is not a field of this request; allowed: account');
  });

  test('in a query is shown without quotes, and says if it was given twice', () => {
    const query = z.strictObject({ sort: z.enum(['a', 'b']), q: z.string().optional() });
    const messages = (input: unknown) =>
      errorsOf(query, input, { place: 'query' }).map(({ message }) => message.en);
    assert.deepEqual(messages({ sort: 'c' }), ['must be one of a, b']);
    assert.deepEqual(messages({ sort: 'a', q: ['x', 'y'] }), ['may be given only once']);
    assert.deepEqual(messages({ sort: 'a', p: 'x' }), ['is not a parameter of this route; allowed: sort, q']);
  });

  test('is the whole body, if that is missing', () => {
    const [error] = errorsOf(schema, null, { example });
    assert.equal(error?.field, '(body)');
    assert.match(error?.message.en ?? '', /^is required, for example \{"filter":/);
  });

  test('has a name of at most 80 characters, whatever the client sent', () => {
    const [error] = errorsOf(schema, { filter: { account: 'wx1' }, ['x'.repeat(5_000)]: 1 });
    assert.equal(error?.field.length, 80);
  });

  test('is one of at most a hundred, however many the client sent', () => {
    const unknown = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`x${index}`, 1]));
    assert.equal(errorsOf(schema, { filter: { account: 'wx1' }, ...unknown }).length, 100);
    assert.equal(errorsOf(schema, { filter: { account: 'wx1' }, ids: Array(5_000).fill('x') }).length, 100);
  });
});
