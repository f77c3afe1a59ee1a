/** Language and time zone of a page, and the formats of times, numbers and sizes in them. */
import type { FastifyRequest } from 'fastify';
import { type Language, languageOf } from '../../problem.ts';

export const LANGUAGE_COOKIE = 'wma_language';
export const TIME_ZONE_COOKIE = 'wma_time_zone';
/** WeChat's quotas and its users' days are those of Beijing. */
export const DEFAULT_TIME_ZONE = 'Asia/Shanghai';
const TAGS = { en: 'en-GB', zh: 'zh-CN' } as const;

/** Texts in both languages with the same keys. */
export interface Texts<T> {
  readonly en: T;
  readonly zh: T;
}

export interface Locale {
  readonly language: Language;
  /** For the attribute `lang`. */
  readonly tag: string;
  readonly timeZone: string;
  /** Returns the texts in the language of the page. */
  of<T>(texts: Texts<T>): T;
  number(value: number): string;
  /** A number of bytes in KB, MB, GB (powers of 1024). */
  size(bytes: number): string;
  /** Date and time with the zone: `30 Nov 2026, 16:20:11 GMT+8`. */
  exact(at: string | Date): string;
  /** The calendar day in the zone: `2026-11-30`. */
  day(at: string | Date): string;
  /** A duration in its two largest units: `2 h 5 min`. */
  duration(seconds: number): string;
}

const isTimeZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

/** Whether the text names a time zone that this machine knows; at most 64 characters. */
export const isKnownTimeZone = (name: string): boolean =>
  name.length <= 64 && /^[A-Za-z0-9_+/-]+$/.test(name) && isTimeZone(name);

const UNITS = {
  en: { d: 'd', h: 'h', min: 'min', s: 's' },
  zh: { d: '天', h: '小时', min: '分钟', s: '秒' },
} as const;

function durationOf(seconds: number, language: Language): string {
  const unit = UNITS[language];
  const total = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(total / 86_400), unit.d],
    [Math.floor((total % 86_400) / 3600), unit.h],
    [Math.floor((total % 3600) / 60), unit.min],
    [total % 60, unit.s],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return `0 ${unit.s}`;
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, name]) => `${value} ${name}`)
    .join(' ');
}

export function createLocale(language: Language, timeZone = DEFAULT_TIME_ZONE): Locale {
  const tag = TAGS[language];
  const number = new Intl.NumberFormat(tag);
  const exact = new Intl.DateTimeFormat(tag, {
    year: 'numeric',
    month: language === 'zh' ? '2-digit' : 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone,
  });
  const zone = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'shortOffset' });
  const zoneAt = (at: Date) => zone.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value;
  const day = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  return {
    language,
    tag: language === 'zh' ? 'zh-CN' : 'en',
    timeZone,
    of: (texts) => texts[language],
    number: (value) => number.format(value),
    size: (bytes) => {
      const units = ['B', 'KB', 'MB', 'GB', 'TB'];
      const power = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)));
      const value = bytes / 1024 ** power;
      return `${number.format(power === 0 ? value : Math.round(value * 10) / 10)} ${units[power]}`;
    },
    exact: (at) => `${exact.format(new Date(at))} ${zoneAt(new Date(at))}`,
    day: (at) => day.format(new Date(at)),
    duration: (seconds) => durationOf(seconds, language),
  };
}

/** The language of the cookie, else of Accept-Language; the time zone of the cookie, else Beijing's. */
export function localeOf(request: Pick<FastifyRequest, 'headers' | 'cookies'>): Locale {
  const { [LANGUAGE_COOKIE]: language, [TIME_ZONE_COOKIE]: timeZone } = request.cookies;
  return createLocale(
    language === 'zh' || language === 'en' ? language : languageOf(request),
    timeZone !== undefined && isKnownTimeZone(timeZone) ? timeZone : DEFAULT_TIME_ZONE,
  );
}

/**
 * The offset of the zone from UTC at this time, as RFC 3339 writes it (`+08:00`). A day that a user chose begins at
 * midnight of the zone.
 */
export function offsetOf(timeZone: string, at: Date): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(at);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  return /GMT([+-]\d{2}:\d{2})/.exec(name)?.[1] ?? '+00:00';
}
