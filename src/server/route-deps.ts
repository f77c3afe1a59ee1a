/** The dependencies of every route plugin: the app context, and the parts that the server adds. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { AppContext } from '../app/app-context.ts';
import type { CheckRun } from '../app/checks.ts';
import type { RunningPreviews } from '../app/server-parts/previews.ts';
import type { CheckAccount } from '../pipeline/dispatch/check-account.ts';
import type { Ingest } from '../pipeline/ingest/ingest.ts';
import type { ListenerLimits } from '../runtime/network/server-limits.ts';
import type { RepeatedLog } from '../runtime/repeated-log.ts';
import type { Access } from './auth/access.ts';
import type { Listener } from './start/listener.ts';

export interface RouteDeps
  extends Pick<
    AppContext,
    | 'accounts'
    | 'alerts'
    | 'catalogue'
    | 'clock'
    | 'config'
    | 'due'
    | 'eventJson'
    | 'feed'
    | 'gather'
    | 'health'
    | 'lifetimes'
    | 'log'
    | 'metrics'
    | 'queue'
    | 'shutdown'
    | 'store'
    | 'webhooks'
    | 'tracer'
  > {
  access: Access;
  /** For log lines that clients can cause at a high rate. */
  repeatedLog: RepeatedLog;
  /** Limits of connections and requests. Default: LISTENER_LIMITS. */
  limits?: ListenerLimits;
  /** The server that already listens. Without it the app opens none. */
  listener?: Pick<Listener, 'attach'>;
  ingest: Ingest;
  previews: Pick<RunningPreviews, 'get' | 'removeErased'>;
  /** Finds out whether WeChat accepts an account now, with its secret as it is now. */
  checkAccount: CheckAccount;
  /**
   * Runs the list of checks. Without `accounts` at most once a second; with `accounts` at every call, for these only.
   */
  runChecks: (accounts?: readonly string[]) => Promise<CheckRun>;
  /** An operator has changed something: the next run must not be older than that. */
  forgetChecks: () => void;
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
