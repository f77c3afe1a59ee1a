/** Response faults that apply to every response to an account at one endpoint, until they are ended. */
import type { ServerResponse } from 'node:http';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import type { RequestLog } from '../http/request-log.ts';
import type { ResponseFault, ResponseFaultName } from '../media/media-id.ts';
import type { FaultContext } from './fault-context.ts';
import { activeFault, RESPONSE_FAULTS } from './response-faults.ts';

/** media/get; the calls for access tokens of every kind; kf/sync_msg. */
export const FAULT_ENDPOINTS = ['media', 'token', 'sync'] as const;
export type FaultEndpoint = (typeof FAULT_ENDPOINTS)[number];

export interface CurrentFault {
  readonly name: ResponseFaultName;
  readonly amount: number;
}

export interface AccountWideFaults {
  /** Undefined ends it. Throws RangeError for a fault that needs a file at an endpoint without files. */
  set(account: SimulatedAccount, fault: ResponseFault | undefined, endpoint: FaultEndpoint): void;
  /** Returns the fault of the next response, and does not count it. */
  peek(account: SimulatedAccount, endpoint: FaultEndpoint): CurrentFault | undefined;
  /** Returns the fault of the next response, and counts it. */
  use(account: SimulatedAccount, endpoint: FaultEndpoint): CurrentFault | undefined;
  /** Responds with the fault where there is one; resolves with whether it did. */
  respond(
    account: SimulatedAccount,
    endpoint: Exclude<FaultEndpoint, 'media'>,
    response: ServerResponse,
  ): Promise<boolean>;
}

export function createAccountWideFaults(options: {
  requestLog: Pick<RequestLog, 'errcode' | 'count'>;
  foreignUrl(): string;
}): AccountWideFaults {
  const active = new Map<string, { fault: ResponseFault; used: number }>();
  const keyOf = (account: SimulatedAccount, endpoint: FaultEndpoint) => `${endpoint} ${account.account}`;

  function peek(account: SimulatedAccount, endpoint: FaultEndpoint): CurrentFault | undefined {
    const entry = active.get(keyOf(account, endpoint));
    if (!entry) return undefined;
    const name = activeFault(entry.fault, entry.used + 1);
    return name === 'none' ? undefined : { name, amount: entry.fault.amount ?? 0 };
  }
  function use(account: SimulatedAccount, endpoint: FaultEndpoint): CurrentFault | undefined {
    const current = peek(account, endpoint);
    const entry = active.get(keyOf(account, endpoint));
    if (current && entry) entry.used++;
    return current;
  }

  return {
    set: (account, fault, endpoint) => {
      if (!fault) active.delete(keyOf(account, endpoint));
      else if (endpoint !== 'media' && !RESPONSE_FAULTS[fault.name].needsNoFile)
        throw new RangeError(`${fault.name} needs a file, and ${endpoint} has none`);
      else active.set(keyOf(account, endpoint), { fault, used: 0 });
    },
    peek,
    use,
    respond: async (account, endpoint, response) => {
      const current = use(account, endpoint);
      if (!current) return false;
      const disconnected = new AbortController();
      response.once('close', () => disconnected.abort());
      const context: FaultContext = {
        mediaId: '',
        get content(): never {
          throw new Error('a fault that needs the file must not be marked needsNoFile');
        },
        response,
        amount: current.amount,
        attempt: 1,
        range: undefined,
        requestLog: options.requestLog,
        videoLink: options.foreignUrl,
        foreignLink: options.foreignUrl,
        signal: disconnected.signal,
      };
      await RESPONSE_FAULTS[current.name].respond(context);
      return true;
    },
  };
}
