/** GET /v1/dead-letters: the media items that failed permanently, grouped by failure, with a message and advice. */
import { z } from 'zod';
import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { groupJson } from '../../views/dead-letter.ts';
import { deadLetterGroupsSchema } from './group-schema.ts';

const GROUP_LIMIT = 500;

export const deadLettersSchema: z.ZodType = z.object({ groups: deadLetterGroupsSchema });

export function deadLetterRoutes(deps: Pick<RouteDeps, 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/dead-letters',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['dead letters'],
          summary: 'Dead letters by account and failure, largest group first',
          response: { 200: deadLettersSchema },
        },
      },
      async (request) => {
        const language = languageOf(request);
        const groups = await deps.catalogue.stats.deadLetterGroups(GROUP_LIMIT, request.principal.accounts);
        return { groups: groups.map((group) => groupJson(group, language)) };
      },
    );
  };
}
