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

const settingExample = {
  variable: 'PORT',
  section: 'Server',
  value: '8080',
  isSet: false,
  isSecret: false,
  description: 'The port on which the server listens.',
};

export function settingsRoutes({ config }: Pick<RouteDeps, 'config'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/settings',
      {
        // Addresses of the network are for those who may change something.
        config: { scope: 'admin' },
        schema: {
          tags: ['health'],
          operationId: 'listSettings',
          summary: 'List the configuration of this server',
          description: 'Every variable with its effective value, without secrets.',
          response: { 200: settingsSchema },
          examples: { response: { 200: { items: [settingExample] } } },
        },
      },
      async () => ({ items: config.settings }),
    );
  };
}
