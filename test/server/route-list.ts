/** Lists the routes of the server, read from Fastify's own tree. */
import { runChecks } from '../../src/app/checks.ts';
import { openPreviews } from '../../src/app/server-parts/previews.ts';
import { createIngest } from '../../src/pipeline/ingest/ingest.ts';
import { createRepeatedLog } from '../../src/runtime/repeated-log.ts';
import { buildServer } from '../../src/server/app.ts';
import { createAccess } from '../../src/server/auth/access.ts';
import type { TestServer } from './setup.ts';

/** `GET /v1/media/{id}` for each route; HEAD, OPTIONS and wildcards are left out. */
export async function listRoutes(s: TestServer): Promise<string[]> {
  const app = await buildServer({
    ...s.context,
    repeatedLog: createRepeatedLog(s.context.log),
    previews: openPreviews(s.context, createRepeatedLog(s.context.log)),
    access: createAccess([], { clock: s.context.clock, revocations: s.context.catalogue.revocations }),
    ingest: createIngest({ ...s.context, onAccepted: () => undefined }),
    checkAccount: async () => undefined,
    runChecks: () => runChecks(s.context.gather),
    forgetChecks: () => undefined,
  });
  const tree = app.printRoutes({ commonPrefix: false, includeMeta: false });
  await app.close();
  return parseTree(tree);
}

function parseTree(tree: string): string[] {
  const parents: string[] = [];
  const routes: string[] = [];
  for (const line of tree.split('\n')) {
    const match = /^([│├└─\s]*)(\S.*?)(?: \(([A-Z, ]+)\))?$/u.exec(line);
    if (!match) continue;
    const [, indent = '', part = '', methods = ''] = match;
    const depth = indent.length / 4;
    parents.length = Math.max(0, depth - 1);
    const path = parents.join('') + part;
    parents.push(part);
    for (const method of methods.split(', ').filter((name) => /^(GET|POST|PUT|PATCH|DELETE)$/.test(name))) {
      routes.push(`${method} ${path.replaceAll(/:(\w+)/g, '{$1}').replace(/(.)\/$/, '$1')}`);
    }
  }
  return [...new Set(routes)].filter((route) => !route.endsWith('*'));
}
