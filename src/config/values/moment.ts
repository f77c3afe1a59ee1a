/** Parses a time that a person wrote: a date, a date with time and offset, or a duration from now. */
import { parseDuration } from './units.ts';

const DATE = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i;
const DURATION = /^([+-]?)(\d+(?:\.\d+)?\s?(?:ms|s|m|h|d))$/;

/**
 * Returns the time, or undefined for another format. `1h` is an hour ago or in an hour, depending on `direction`,
 * unless it has a sign.
 */
export function momentOf(text: string, direction: 'past' | 'future', now: Date): Date | undefined {
  const [, sign, duration] = DURATION.exec(text.trim()) ?? [];
  const ms = duration === undefined ? undefined : parseDuration(duration);
  if (ms !== undefined) {
    const isPast = sign === '-' || (sign === '' && direction === 'past');
    return valid(new Date(now.getTime() + (isPast ? -ms : ms)));
  }
  return DATE.test(text.trim()) ? valid(new Date(text.trim())) : undefined;
}

const valid = (at: Date) => (Number.isNaN(at.getTime()) ? undefined : at);
