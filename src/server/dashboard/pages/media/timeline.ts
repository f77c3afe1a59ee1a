/** What happened to a media item, from the message to the object, as one list in the order of time. */
import type { AuditEntry } from '../../../../catalogue/audit-log/audit-log.ts';
import type { Attempt } from '../../../../catalogue/media/read.ts';
import { table, time } from '../../components/elements.ts';
import type { Json } from '../../core/api.ts';
import { type Child, type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { Media } from '../../core/media-json.ts';
import { ITEM } from './item-texts.ts';

export type AttemptJson = Json<Attempt> & { readonly message?: string };
export type AuditJson = Json<AuditEntry>;

interface Step {
  readonly at: string;
  readonly what: Child;
  readonly who?: string | undefined;
  readonly details?: Child;
}

function attemptStep(attempt: AttemptJson, number: number, locale: Locale): Step {
  const t = locale.of(ITEM);
  const { startedAt, outcome, errcode, code, message, bytes, ms } = attempt;
  const facts = [
    t.outcomes[outcome] ?? outcome,
    errcode ?? code,
    bytes === undefined ? undefined : locale.size(bytes),
    `${locale.number(ms)} ms`,
  ].filter((fact) => fact !== undefined);
  return {
    at: startedAt,
    what: `${t.events.attempt} ${number}`,
    details: html`${facts.map((fact, index) => html`${index > 0 && ' · '}${outside(fact)}`)}${message && html`<br>${outside(message)}`}`,
  };
}

/** `audit`: entries about the item; `holds`: entries about its account while the item was waiting. */
export function timeline(
  media: Media,
  {
    attempts,
    audit,
    holds,
  }: { attempts: readonly AttemptJson[]; audit: readonly AuditJson[]; holds: readonly AuditJson[] },
  locale: Locale,
): Html {
  const t = locale.of(ITEM);
  const entry = ({ at, action, actor, reason }: AuditJson): Step => ({
    at,
    what: t.events[action] ?? action,
    who: actor,
    details: reason && outside(reason),
  });
  const single = (at: string | undefined, what: string | undefined): Step[] =>
    at === undefined || what === undefined ? [] : [{ at, what }];
  const steps: Step[] = [
    ...single(media.sentAt, t.events.sent),
    ...single(media.createdAt, t.events.accepted),
    ...attempts.map((attempt, index) => attemptStep(attempt, index + 1, locale)),
    ...audit.map(entry),
    ...holds.map(entry),
    ...single(media.archivedAt, t.events.archived),
    ...single(media.erasedAt, t.events.erased),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return table(
    t.timeline,
    [t.when, t.what, t.who, t.details],
    steps.map(({ at, what, who, details }) => [
      time(locale, at, false),
      what,
      who !== undefined && outside(who),
      details,
    ]),
  );
}
