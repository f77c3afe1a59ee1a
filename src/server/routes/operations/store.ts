/** /v1/store: returns the stores and their failures, and releases the store hold. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { CONFIGURED_STORE, storeHoldJson } from '../../../pipeline/views/store-hold.ts';
import { explain } from '../../../wechat/api/errcodes.ts';
import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { failureSchema } from '../failure-schema.ts';
import { storeHoldSchema } from './store-hold-schema.ts';

const tags = ['store'];
/** How long the store may take to respond. */
const STORE_TIMEOUT_MS = 5_000;
const NO_RESPONSE = { code: 'store_unavailable', class: 'store' } as const;

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

const REFUSED = {
  code: 'store_bucket_missing',
  class: 'store',
  detail: 'HTTP 404 from store: NoSuchBucket',
} as const;
const refusedExample = {
  ...REFUSED,
  message: explain(REFUSED).message.en,
  advice: explain(REFUSED).advice.en,
};

/** Stores of which one refuses, so that all archiving is held. */
export const storesExample = {
  items: [{ name: CONFIGURED_STORE, bucket: 'wechat-media', embedded: false, failure: refusedExample }],
  hold: { ...refusedExample, since: '2026-11-20T08:00:00.000Z', until: '2026-11-20T08:05:00.000Z' },
};

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
          operationId: 'getStore',
          summary: 'Get the stores and the store hold',
          description: 'Each store and its failure; why and until when all archiving is held.',
          response: { 200: storesSchema },
          examples: { response: { 200: storesExample } },
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
          operationId: 'releaseStore',
          summary: 'Release the store hold',
          description: 'The store is probed now, and archiving continues when the probe succeeds.',
          response: { 200: storesSchema },
          examples: { response: { 200: { ...storesExample, hold: null } } },
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
