/**
 * The table of response faults: each is a name of media-id.ts and the response that it gives in place of the file. To
 * add one, append its name there and add its entry to one of these lists.
 */
import type { ResponseFault, ResponseFaultName } from '../media/media-id.ts';
import { BODY_FAULTS } from './body-faults.ts';
import { ERRCODE_FAULTS } from './errcode-faults.ts';
import type { FaultSpec } from './fault-context.ts';
import { HEADER_FAULTS } from './header-faults.ts';
import { VIDEO_URL_FAULTS } from './link-faults.ts';
import { TEXT_FAULTS } from './text-faults.ts';

export const RESPONSE_FAULTS: Readonly<Record<ResponseFaultName, FaultSpec>> = {
  ...BODY_FAULTS,
  ...HEADER_FAULTS,
  ...ERRCODE_FAULTS,
  ...VIDEO_URL_FAULTS,
  ...TEXT_FAULTS,
};

/** Returns the fault of this attempt: `none` after its `times` are used up. `attempt` counts from 1. */
export function activeFault(fault: ResponseFault | undefined, attempt: number): ResponseFaultName {
  if (!fault) return 'none';
  return fault.times && attempt > fault.times ? 'none' : fault.name;
}
