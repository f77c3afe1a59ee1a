/** All cases of response faults, and those that run on every shape. */
import { BODY_CASES, FILE_CASES } from './body-fault-cases.ts';
import { ERRCODE_CASES } from './errcode-fault-cases.ts';
import { caseName, type FaultCase } from './fault-case.ts';
import { HEADER_CASES } from './header-fault-cases.ts';
import { LINK_CASES } from './link-fault-cases.ts';
import { TEXT_CASES, WECOM_CASES } from './wecom-fault-cases.ts';

export const FAULT_CASES: readonly FaultCase[] = [
  ...FILE_CASES,
  ...BODY_CASES,
  ...HEADER_CASES,
  ...ERRCODE_CASES,
  ...LINK_CASES,
  ...TEXT_CASES,
  ...WECOM_CASES,
];

/** One case for each way through database and queue: archive, retry, retry at the next minute, dead, expire. */
const SMOKE_NAMES = [
  'none: a large video is archived in parts',
  'shortBody: once: the next attempt archives it',
  'httpStatus: once with 429: waits for the next minute without an attempt',
  'invalid: dead after one attempt',
  'systemBusy: always: retried until the item expires',
];
export const SMOKE_CASES = SMOKE_NAMES.map((name) => {
  const found = FAULT_CASES.find((testCase) => caseName(testCase) === name);
  if (!found) throw new Error(`no case "${name}"`);
  return found;
});
