/** What the rooms of the server are given. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Look } from '../assembly/checks.ts';
import type { Parts } from '../assembly/parts.ts';
import type { ListenerLimits } from '../connections.ts';
import type { Intake } from '../pipeline/intake.ts';
import type { RepeatedLog } from '../repeated-log.ts';
import type { Access } from './access.ts';

export interface ServerDeps
  extends Pick<
    Parts,
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
    | 'signs'
  > {
  access: Access;
  /** For lines that whoever calls can cause. */
  repeated: RepeatedLog;
  /** Of connections and requests. Default: LISTENER_LIMITS. */
  limits?: ListenerLimits;
  intake: Intake;
  /** What the list of checks finds, looked at once a second at most; of these accounts: at every call. */
  look: (accounts?: readonly string[]) => Promise<Look>;
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
