/** What the rooms of the server are given. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { AppContext } from '../app/app-context.ts';
import type { CheckRun } from '../app/checks.ts';
import type { Ingest } from '../pipeline/ingest/ingest.ts';
import type { ListenerLimits } from '../runtime/network/server-limits.ts';
import type { RepeatedLog } from '../runtime/repeated-log.ts';
import type { Access } from './auth/access.ts';

export interface RouteDeps
  extends Pick<
    AppContext,
    | 'accounts'
    | 'alerts'
    | 'catalogue'
    | 'clock'
    | 'config'
    | 'due'
    | 'gather'
    | 'lifetimes'
    | 'log'
    | 'metrics'
    | 'queue'
    | 'store'
    | 'shutdown'
    | 'health'
  > {
  access: Access;
  /** For lines that whoever calls can cause. */
  repeatedLog: RepeatedLog;
  /** Of connections and requests. Default: LISTENER_LIMITS. */
  limits?: ListenerLimits;
  intake: Ingest;
  /** What the list of checks finds, looked at once a second at most; of these accounts: at every call. */
  runChecks: (accounts?: readonly string[]) => Promise<CheckRun>;
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
