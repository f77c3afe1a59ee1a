/** GET /v1/settings: the effective configuration of this server, without its secrets. */
import { z } from 'zod';
import type { App, RouteDeps } from '../../route-deps.ts';

export const settingsSchema: z.ZodType = z.object({
  items: z.array(
    z.object({
      variable: z.string(),
      section: z.string().describe('the section of docs/configuration.md'),
      value: z
        .string()
        .optional()
        .describe(
          'the effective value, with a unit; of the addresses of database, queue, proxy and alerts only the server',
        ),
      isSet: z.boolean().describe('false: the value is the default'),
      isSecret: z.boolean(),
      description: z.string(),
    }),
  ),
});

export function settingsRoutes({ config }: Pick<RouteDeps, 'config'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/settings',
      {
        // Addresses of the network are for those who may change something.
        config: { scope: 'admin' },
        schema: {
          tags: ['health'],
          summary: 'The configuration of this server: every variable with its effective value, no secrets',
          response: { 200: settingsSchema },
        },
      },
      async () => ({ items: config.settings }),
    );
  };
}
