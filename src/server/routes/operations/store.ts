/** /v1/store: where objects are kept, whether they are taken there, and releasing a hold of all archiving. */
import type { FastifyRequest } from 'fastify';
import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { storeHoldJson } from '../../views/store-hold.ts';
import { STORE } from '../schemas.ts';

const tags = ['store'];
/** How long the store may take to respond. */
const LOOK_MS = 5_000;
const SILENCE = { code: 'store_unavailable', class: 'store' } as const;
/** The name of the configured store in a row. */
const CONFIGURED = 'default';

export function storeRoutes(
  deps: Pick<RouteDeps, 'catalogue' | 'clock' | 'config' | 'due' | 'log' | 'store' | 'gather'>,
) {
  const { catalogue, clock, config } = deps;

  async function show(request: FastifyRequest) {
    const language = languageOf(request);
    const signal = AbortSignal.timeout(LOOK_MS);
    const [{ hold }, { store }] = await Promise.all([catalogue.storeHold.read(), deps.gather.store(signal)]);
    const failure = store?.ok === false ? (store.failure ?? SILENCE) : undefined;
    return {
      items: [
        {
          name: CONFIGURED,
          bucket: deps.store.bucket,
          embedded: config.s3 === undefined,
          failure: failure ? storeHoldJson({ why: failure }, language) : null,
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
          summary: 'Each store, what is wrong with it, and why and until when all archiving is held',
          response: { 200: STORE },
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
            'Release the hold of the store: it is probed now, and archiving goes on when it takes the probe',
          response: { 200: STORE },
        },
      },
      async (request) => {
        const { name } = request.principal;
        if (await catalogue.storeHold.release(name, clock.now())) {
          deps.due.notify();
          deps.log.info({ by: name }, 'store: hold released by hand, probing now');
        }
        return await show(request);
      },
    );
  };
}
