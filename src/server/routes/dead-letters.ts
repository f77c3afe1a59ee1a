/** /v1/dead-letters: what WeChat refused for good, by errcode, with the sentence and the cure. */

import { explain } from '../../wechat/errcodes.ts';
import type { App, ServerDeps } from '../app.ts';
import { languageOf } from '../problem.ts';

const GROUPS_LIMIT = 500;

export function deadLetterRoutes(deps: Pick<ServerDeps, 'access' | 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/dead-letters',
      { schema: { tags: ['dead letters'], summary: 'Dead letters by account and failure, largest first' } },
      async (request) => {
        const principal = deps.access.authorize(request, 'read');
        const language = languageOf(request);
        const groups = await deps.catalogue.deadLetterGroups(GROUPS_LIMIT);
        return {
          groups: groups
            .filter((group) => principal.accounts?.includes(group.account) ?? true)
            .map((group) => {
              const { message, advice } = explain(group);
              return { ...group, message: message[language], advice: advice[language] };
            }),
        };
      },
    );
  };
}
