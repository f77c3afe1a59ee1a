/** /v1/dead-letters: what WeChat refused for good, by errcode, with the sentence and the cure. */

import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { groupJson } from '../../views/dead-letter.ts';
import { DEAD_LETTERS } from '../schemas.ts';

const GROUPS_LIMIT = 500;

export function deadLetterRoutes(deps: Pick<RouteDeps, 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/dead-letters',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['dead letters'],
          summary: 'Dead letters by account and failure, largest first',
          response: { 200: DEAD_LETTERS },
        },
      },
      async (request) => {
        const language = languageOf(request);
        const groups = await deps.catalogue.stats.deadLetterGroups(GROUPS_LIMIT, request.principal.accounts);
        return { groups: groups.map((group) => groupJson(group, language)) };
      },
    );
  };
}
