/** Calendar days as an operator in Beijing means them: "Tuesday", "last week", "yesterday". */

const DAY_MS = 86_400_000;
const BEIJING_AHEAD_MS = 8 * 3_600_000;

/** `2026-11-24`, in Beijing. */
export const dayOf = (at: Date): string =>
  new Date(at.getTime() + BEIJING_AHEAD_MS).toISOString().slice(0, 10);

/** This time of a day in Beijing. */
export const timeOn = (day: string, clock = '12:00'): Date => new Date(`${day}T${clock}:00+08:00`);

export const plusDays = (day: string, days: number): string =>
  dayOf(new Date(timeOn(day).getTime() + days * DAY_MS));

/** 0: Sunday. */
const weekdayOf = (day: string): number => new Date(`${day}T00:00:00Z`).getUTCDay();

/** The last day of that name before `today`: one to seven days ago. */
export function lastWeekday(weekday: number, today: string): string {
  const back = (weekdayOf(today) - weekday + 7) % 7;
  return plusDays(today, back === 0 ? -7 : -back);
}

/** Monday and Sunday of the week before that of `today`. */
export function lastWeek(today: string): { monday: string; sunday: string } {
  const monday = plusDays(today, -((weekdayOf(today) + 6) % 7) - 7);
  return { monday, sunday: plusDays(monday, 6) };
}
