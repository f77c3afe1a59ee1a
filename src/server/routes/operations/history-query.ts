/** The parameters of GET /v1/stats/history: a period, and the step that divides it. */
import { z } from 'zod';
import { type HistoryRange, minutesKeptSince } from '../../../catalogue/history/history.ts';
import { parseDuration } from '../../../config/values/units.ts';
import { refuse } from '../../../field-errors.ts';
import { text } from '../../../media.ts';
import { Problem } from '../../problem.ts';
import { queryTime } from '../field-schemas.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Days begin in Beijing, which has had no summer time since 1991. */
const BEIJING_MS = 8 * HOUR_MS;

/** Steps that divide an hour or a day, so that days and hours are never cut. */
const STEPS = {
  '1m': MINUTE_MS,
  '2m': 2 * MINUTE_MS,
  '3m': 3 * MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '10m': 10 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '20m': 20 * MINUTE_MS,
  '30m': 30 * MINUTE_MS,
  '1h': HOUR_MS,
  '2h': 2 * HOUR_MS,
  '3h': 3 * HOUR_MS,
  '4h': 4 * HOUR_MS,
  '6h': 6 * HOUR_MS,
  '8h': 8 * HOUR_MS,
  '12h': 12 * HOUR_MS,
  '1d': DAY_MS,
} as const;
const STEP_LIST = Object.keys(STEPS).join(', ');
const MAX_POINTS = 500;
/** Points where the client names no step: as many as a chart can show. */
const DEFAULT_POINTS = 300;

export const historyQuery = z.strictObject({
  from: queryTime('past').optional().describe('default: 24 hours before `to`'),
  to: queryTime('past').optional().describe('default and at most: now'),
  step: z
    .string()
    .max(20)
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== undefined && Object.values<number>(STEPS).includes(ms)) return ms;
      refuse(context, { en: `must be one of ${STEP_LIST}`, zh: `必须是以下值之一：${STEP_LIST}` });
      return z.NEVER;
    })
    .optional()
    .describe(
      `${STEP_LIST}; at most ${MAX_POINTS} steps. Steps begin at midnight in Beijing or a multiple of the step after it. Default: the shortest that gives at most ${DEFAULT_POINTS} points`,
    ),
  account: text(128).optional().describe('an account by its id or its name'),
});

const alignedTo = (at: Date, stepMs: number): number =>
  Math.floor((at.getTime() + BEIJING_MS) / stepMs) * stepMs - BEIJING_MS;

function rangeOf(from: Date, to: Date, stepMs: number): HistoryRange {
  const startMs = alignedTo(from, stepMs);
  return { from: new Date(startMs), stepMs, count: Math.ceil((to.getTime() - startMs) / stepMs) };
}

const wrong = (field: string, en: string, zh: string) =>
  new Problem('invalid_request', { errors: [{ field, message: { en, zh } }] });

/**
 * Returns the steps of the period. Throws Problem `invalid_request`, which names a step that fits, if the step makes too
 * many points or is shorter than what is kept of that time.
 */
export function historyRangeOf(
  query: z.infer<typeof historyQuery>,
  now: Date,
): { range: HistoryRange; to: Date } {
  const to = query.to && new Date(query.to) < now ? new Date(query.to) : now;
  const from = query.from ? new Date(query.from) : new Date(to.getTime() - DAY_MS);
  if (from >= to)
    throw wrong('from', 'must be before `to`, and in the past', '必须早于 `to`，且是过去的时间');
  const isKept = (stepMs: number) =>
    stepMs >= HOUR_MS || alignedTo(from, stepMs) >= minutesKeptSince(now).getTime();
  const shortest = (points: number) =>
    Object.entries(STEPS).find(([, ms]) => isKept(ms) && rangeOf(from, to, ms).count <= points);
  const fitting = shortest(MAX_POINTS);
  if (!fitting)
    throw wrong(
      'from',
      `is more than ${MAX_POINTS} days before \`to\`: ask for a shorter period`,
      `早于 \`to\` 超过 ${MAX_POINTS} 天：请缩短时间段`,
    );
  const stepMs = query.step ?? (shortest(DEFAULT_POINTS) ?? fitting)[1];
  if (!isKept(stepMs))
    throw wrong(
      'step',
      `only hours are kept of times more than 48 hours ago: the shortest step that fits is ${fitting[0]}`,
      `48 小时之前的数据只按小时保留：可用的最短步长是 ${fitting[0]}`,
    );
  const range = rangeOf(from, to, stepMs);
  if (range.count > MAX_POINTS)
    throw wrong(
      'step',
      `makes ${range.count} points, more than ${MAX_POINTS}: the shortest step that fits is ${fitting[0]}`,
      `会产生 ${range.count} 个点，超过 ${MAX_POINTS} 个：可用的最短步长是 ${fitting[0]}`,
    );
  return { range, to };
}
