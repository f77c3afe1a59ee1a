/** GET /v1/dead-letters: the media items that failed permanently, grouped by failure, with a message and advice. */
import { z } from 'zod';
import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { groupJson } from '../../views/dead-letter.ts';
import { deadLetterGroupsSchema, groupsExample } from './group-schema.ts';

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
          operationId: 'listDeadLetters',
          summary: 'List dead letters by account and failure',
          description: 'The largest group is first.',
          response: { 200: deadLettersSchema },
          examples: { response: { 200: { groups: groupsExample } } },
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
