/** The sentence for each kind of issue that zod finds, in both languages. zod's own messages are never shown. */
import type { z } from 'zod';
import type { LocalizedText } from './explanation.ts';

export interface SentenceContext {
  /** The parameters of an address are texts; a body has all types of JSON. */
  readonly place: 'query' | 'params' | 'body';
  /** A valid value of the field. Undefined: none is known. */
  readonly example?: unknown;
  /** The field is the whole body or query. */
  readonly isWhole?: boolean;
  /** The sentence for a text that does not match a pattern. */
  readonly patternText?: (pattern: string) => LocalizedText | undefined;
}

type Issue = z.core.$ZodIssue;
type IssueOf<Code extends Issue['code']> = Extract<Issue, { code: Code }>;

/** A longer example would hide the sentence; that of a whole body may be longer. */
const EXAMPLE_LENGTH = 120;
const WHOLE_EXAMPLE_LENGTH = 400;
const LISTED_VALUES = 60;

const TYPES: Readonly<Record<string, LocalizedText & { readonly example?: unknown }>> = {
  string: { en: 'text in quotes', zh: '带引号的文本', example: 'text' },
  number: { en: 'a number', zh: '数字', example: 10 },
  int: { en: 'a whole number', zh: '整数', example: 10 },
  boolean: { en: 'true or false', zh: 'true 或 false' },
  array: { en: 'a list', zh: '数组', example: ['text'] },
  object: { en: 'an object', zh: '对象', example: { name: 'value' } },
  record: { en: 'an object', zh: '对象', example: { name: 'value' } },
  null: { en: 'null', zh: 'null' },
};

const FORMATS: Readonly<Record<string, LocalizedText & { readonly example: string }>> = {
  datetime: {
    en: 'must be a time with its offset from UTC',
    zh: '必须是带时区偏移的时间',
    example: '2026-11-20T08:00:00+08:00',
  },
  date: { en: 'must be a date', zh: '必须是日期', example: '2026-11-20' },
  url: {
    en: 'must be an address that begins with http:// or https://',
    zh: '必须是以 http:// 或 https:// 开头的地址',
    example: 'https://example.com/picture.jpg',
  },
  uuid: { en: 'must be a UUID', zh: '必须是 UUID', example: '0190b5a4-7b1c-7c3e-8f00-3a5d2c1b0a99' },
  email: { en: 'must be a mail address', zh: '必须是邮箱地址', example: 'name@example.com' },
};

function show(
  value: unknown,
  place: SentenceContext['place'],
  maxLength = EXAMPLE_LENGTH,
): string | undefined {
  const shown = place !== 'body' && typeof value !== 'object' ? String(value) : JSON.stringify(value);
  return shown !== undefined && shown.length <= maxLength ? shown : undefined;
}

/** Appends the example of the field, or else the general one. */
function withExample(
  { en, zh }: LocalizedText,
  { example, place, isWhole }: SentenceContext,
  general?: unknown,
): LocalizedText {
  const value = example ?? general;
  const shown =
    value === undefined ? undefined : show(value, place, isWhole ? WHOLE_EXAMPLE_LENGTH : undefined);
  return shown === undefined ? { en, zh } : { en: `${en}, for example ${shown}`, zh: `${zh}，例如 ${shown}` };
}

/** Returns the sentence for an issue. It is a predicate: it follows the name of the field. */
export function sentenceOf(issue: Issue, context: SentenceContext): LocalizedText {
  switch (issue.code) {
    case 'invalid_type':
      return typeSentence(issue, context);
    case 'too_small':
    case 'too_big':
      return limitSentence(issue, context);
    case 'invalid_format':
      return formatSentence(issue, context);
    case 'invalid_value':
      return valueSentence(issue.values, context);
    case 'not_multiple_of': {
      const { divisor } = issue;
      const text = { en: `must be a multiple of ${divisor}`, zh: `必须是 ${divisor} 的倍数` };
      return withExample(text, context, divisor);
    }
    case 'unrecognized_keys':
      return unknownFieldSentence(context.place, undefined);
    case 'invalid_union':
      return unionSentence(issue, context);
    case 'invalid_key':
    case 'invalid_element': {
      const [inner] = issue.issues;
      const text = inner ? sentenceOf(inner, { ...context, example: undefined }) : WRONG_FORM;
      if (issue.code === 'invalid_element') return text;
      return { en: `has a name that is not allowed; it ${text.en}`, zh: `名称不符合要求：${text.zh}` };
    }
    case 'custom': {
      const zh = issue.params?.zh as unknown;
      // Raised without a Chinese text, which the tests of the routes refuse: better our English than nothing.
      return { en: issue.message, zh: typeof zh === 'string' ? zh : issue.message };
    }
    default:
      issue satisfies never;
      return WRONG_FORM;
  }
}

const WRONG_FORM: LocalizedText = { en: 'has the wrong form', zh: '格式有误' };

function typeSentence(issue: IssueOf<'invalid_type'>, context: SentenceContext): LocalizedText {
  const type = TYPES[issue.expected];
  if ('input' in issue && (issue.input === undefined || (issue.input === null && issue.path.length === 0)))
    return withExample({ en: 'is required', zh: '为必填项' }, context, type?.example);
  if (!type) return withExample(WRONG_FORM, context);
  if (context.place !== 'body' && issue.expected === 'string')
    return { en: 'may be given only once', zh: '只能出现一次' };
  return withExample({ en: `must be ${type.en}`, zh: `必须是${spaced(type.zh)}` }, context, type.example);
}

/** A blank stands between a Chinese character and a Latin letter. */
const spaced = (text: string) => (/^[A-Za-z0-9]/.test(text) ? ` ${text}` : text);

function limitSentence(issue: IssueOf<'too_small' | 'too_big'>, context: SentenceContext): LocalizedText {
  const isSmall = issue.code === 'too_small';
  const limit = issue.code === 'too_small' ? issue.minimum : issue.maximum;
  const { origin, inclusive = true, exact = false } = issue;
  const unit =
    origin === 'string'
      ? { en: limit === 1 ? 'character' : 'characters', zh: '个字符' }
      : ['number', 'int', 'bigint', 'date'].includes(origin)
        ? undefined
        : { en: limit === 1 ? 'entry' : 'entries', zh: '项' };
  if (unit) {
    if (isSmall && limit === 1 && !exact)
      return withExample({ en: 'must not be empty', zh: '不能为空' }, context);
    const [en, zh] = exact ? ['exactly', '必须有'] : isSmall ? ['at least', '至少需要'] : ['at most', '最多'];
    return { en: `must have ${en} ${limit} ${unit.en}`, zh: `${zh} ${limit} ${unit.zh}` };
  }
  const shown = origin === 'date' ? new Date(Number(limit)).toISOString() : String(limit);
  if (inclusive)
    return isSmall
      ? { en: `must be at least ${shown}`, zh: `不能小于 ${shown}` }
      : { en: `must be at most ${shown}`, zh: `不能大于 ${shown}` };
  return isSmall
    ? { en: `must be more than ${shown}`, zh: `必须大于 ${shown}` }
    : { en: `must be less than ${shown}`, zh: `必须小于 ${shown}` };
}

function formatSentence(issue: IssueOf<'invalid_format'>, context: SentenceContext): LocalizedText {
  const { format, pattern } = issue;
  const ours = pattern === undefined ? undefined : context.patternText?.(pattern);
  if (ours) {
    const shown = context.example === undefined ? undefined : show(context.example, context.place);
    return shown === undefined
      ? ours
      : { en: `${ours.en}, such as ${shown}`, zh: `${ours.zh}（例如 ${shown}）` };
  }
  const known = FORMATS[format];
  if (known) return withExample(known, context, known.example);
  const { prefix, suffix, includes } = issue as { prefix?: string; suffix?: string; includes?: string };
  if (prefix !== undefined)
    return withExample({ en: `must begin with ${prefix}`, zh: `必须以 ${prefix} 开头` }, context);
  if (suffix !== undefined)
    return withExample({ en: `must end with ${suffix}`, zh: `必须以 ${suffix} 结尾` }, context);
  if (includes !== undefined)
    return withExample({ en: `must contain ${includes}`, zh: `必须包含 ${includes}` }, context);
  if (format === 'regex' && pattern !== undefined)
    return withExample({ en: `must match ${pattern}`, zh: `必须匹配 ${pattern}` }, context);
  return withExample({ en: `must be a valid ${format}`, zh: `必须是有效的 ${format}` }, context);
}

function valueSentence(values: readonly unknown[], { place }: SentenceContext): LocalizedText {
  const listed = values.slice(0, LISTED_VALUES).map((value) => show(value, place) ?? '…');
  if (listed.length === 1) return { en: `must be ${listed[0]}`, zh: `必须是 ${listed[0]}` };
  return { en: `must be one of ${listed.join(', ')}`, zh: `必须是以下值之一：${listed.join('、')}` };
}

function unionSentence(issue: IssueOf<'invalid_union'>, context: SentenceContext): LocalizedText {
  const { options } = issue as { options?: readonly unknown[] };
  if (options && options.length > 0) return valueSentence(options, context);
  const types = issue.errors.map(([first, ...more]) =>
    more.length === 0 && first?.code === 'invalid_type' && first.path.length === 0
      ? TYPES[first.expected]
      : undefined,
  );
  const known = types.filter((type) => type !== undefined);
  if (known.length > 0 && known.length === types.length)
    return withExample(
      {
        en: `must be ${known.map(({ en }) => en).join(' or ')}`,
        zh: `必须是${spaced(known.map(({ zh }) => zh).join(' 或 '))}`,
      },
      context,
      known.find(({ example }) => example !== undefined)?.example,
    );
  return withExample(WRONG_FORM, context);
}

/** `allowed`: the names that would be right; undefined: they are not known. */
export function unknownFieldSentence(
  place: SentenceContext['place'],
  allowed: readonly string[] | undefined,
): LocalizedText {
  if (place === 'body') {
    if (!allowed) return { en: 'is not a field of this request', zh: '不是此请求的字段' };
    const list = allowed.join(', ');
    return {
      en: `is not a field of this request; allowed: ${list}`,
      zh: `不是此请求的字段，可用字段：${allowed.join('、')}`,
    };
  }
  if (!allowed) return { en: 'is not a parameter of this route', zh: '不是此接口的参数' };
  if (allowed.length === 0)
    return { en: 'is not a parameter of this route, which has none', zh: '不是此接口的参数，此接口没有参数' };
  return {
    en: `is not a parameter of this route; allowed: ${allowed.join(', ')}`,
    zh: `不是此接口的参数，可用参数：${allowed.join('、')}`,
  };
}
