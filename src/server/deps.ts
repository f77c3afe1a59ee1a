/** What the rooms of the server are given. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Parts } from '../assembly/parts.ts';
import type { Intake } from '../pipeline/intake.ts';
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
    | 'lifetimes'
    | 'log'
    | 'metrics'
    | 'queue'
    | 'store'
    | 'storeHealth'
    | 'shutdown'
    | 'signs'
  > {
  access: Access;
  intake: Intake;
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
