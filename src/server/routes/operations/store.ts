/** /v1/store: returns the stores and their failures, and releases the store hold. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { storeHoldJson } from '../../../pipeline/views/store-hold.ts';
import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { failureSchema } from '../failure-schema.ts';
import { storeHoldSchema } from './store-hold-schema.ts';

const tags = ['store'];
/** How long the store may take to respond. */
const STORE_TIMEOUT_MS = 5_000;
const NO_RESPONSE = { code: 'store_unavailable', class: 'store' } as const;
/** The name that rows use for the configured store. */
const CONFIGURED_STORE = 'default';

export const storesSchema: z.ZodType = z
  .object({
    items: z.array(
      z.object({
        name: z.string(),
        bucket: z.string(),
        embedded: z.boolean(),
        failure: failureSchema.nullable().describe('the current failure'),
      }),
    ),
    hold: storeHoldSchema.nullable().describe('why all archiving waits'),
  })
  .meta({ id: 'Stores' });

export function storeRoutes(
  deps: Pick<RouteDeps, 'catalogue' | 'clock' | 'config' | 'due' | 'log' | 'store' | 'gather'>,
) {
  const { catalogue, clock, config } = deps;

  async function show(request: FastifyRequest) {
    const language = languageOf(request);
    const signal = AbortSignal.timeout(STORE_TIMEOUT_MS);
    const [{ hold }, { store }] = await Promise.all([catalogue.storeHold.read(), deps.gather.store(signal)]);
    const failure = store?.ok === false ? (store.failure ?? NO_RESPONSE) : undefined;
    return {
      items: [
        {
          name: CONFIGURED_STORE,
          bucket: deps.store.bucket,
          embedded: config.s3 === undefined,
          failure: failure ? storeHoldJson({ failure }, language) : null,
        },
      ],
      hold: hold ? storeHoldJson(hold, language) : null,
    };
  }

  return async (app: App): Promise<void> => {
    app.get(
      '/v1/store',
      {
        config: { scope: 'read' },
        schema: {
          tags,
          summary: 'Each store and its failure; why and until when all archiving is held',
          response: { 200: storesSchema },
        },
      },
      show,
    );

    app.delete(
      '/v1/store/hold',
      {
        config: { scope: 'admin' },
        schema: {
          tags,
          summary:
            'Release the hold of the store: it is probed now, and archiving continues when the probe succeeds',
          response: { 200: storesSchema },
        },
      },
      async (request) => {
        const { name } = request.principal;
        if (await catalogue.storeHold.release(name, clock.now())) {
          deps.due.notify();
          deps.log.info({ by: name }, 'store hold: released by hand, probing now');
        }
        return await show(request);
      },
    );
  };
}
