/** Computes the findings from the facts, for all users of the checks. Pure. */
import type { Accounts } from '../../account.ts';
import type { Audience, Check, Component, Facts, FindingFields } from './check.ts';
import { COMPONENTS } from './check.ts';
import { CHECK_CODES, type CheckCode, checkOf } from './table.ts';

export interface Finding extends FindingFields {
  readonly code: CheckCode;
}

export interface Findings {
  /** Errors first; among equals in the order of the list. */
  readonly found: readonly Finding[];
  /** The checks whose facts were read. A check that is known and not found has passed. */
  readonly known: readonly CheckCode[];
}

const RANK = { error: 0, warning: 1, notice: 2 } as const;

export function findingsOf(facts: Facts): Findings {
  const known: CheckCode[] = [];
  const found: Finding[] = [];
  for (const code of CHECK_CODES) {
    const findings = checkOf(code).find(facts);
    if (!findings) continue;
    known.push(code);
    for (const one of findings)
      found.push({ code, target: '', since: facts.now, count: 1, detail: {}, ...one });
  }
  const rank = ({ code }: Finding) => RANK[checkOf(code).severity];
  return { known, found: found.sort((a, b) => rank(a) - rank(b)) };
}

/** Returns the findings for this audience. */
export const findingsFor = (audience: Audience, { found }: Pick<Findings, 'found'>): readonly Finding[] =>
  found.filter(({ code }) => !checkOf(code).except?.includes(audience));

/** Returns the finding with the name of its account as target, if the check is about accounts and the account has one. */
export function withAccountName<T extends Pick<FindingFields, 'target'>>(
  finding: T,
  check: Pick<Check, 'target'>,
  accounts: Pick<Accounts, 'find'>,
): T {
  const name = check.target === 'account' ? accounts.find(finding.target)?.name : undefined;
  return name === undefined ? finding : { ...finding, target: name };
}

export type ComponentState = { ok: true } | { ok: false; codes: CheckCode[] };

/** Returns the state for /readyz: codes only, because that route is open. */
export function readinessOf(findings: Findings): {
  degraded: CheckCode[];
  checks: Record<Component, ComponentState>;
} {
  const codes = [...new Set(findingsFor('readyz', findings).map(({ code }) => code))];
  const stateOf = (part: Component): ComponentState => {
    const ofPart = codes.filter((code) => checkOf(code).component === part);
    return ofPart.length === 0 ? { ok: true } : { ok: false, codes: ofPart };
  };
  const checks = Object.fromEntries(COMPONENTS.map((part) => [part, stateOf(part)]));
  return { degraded: codes, checks: checks as Record<Component, ComponentState> };
}
