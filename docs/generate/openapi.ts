/** Generates docs/openapi.json: the document that GET /openapi.json returns. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAppContext } from '../../src/app/app-context.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openServer } from '../../src/server/start.ts';

export const OPENAPI_PATH = 'docs/openapi.json';
const SECRET = 'reads-the-document-of-the-api';

/** How the document is written: one value a line, so that a change of the API is a small change of the file. */
export const openApiText = (document: unknown): string => `${JSON.stringify(document, null, 2)}\n`;

/** Opens the server with an empty database, and resolves with its document. It contains nothing of this machine. */
export async function openApiPage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wma-openapi-'));
  const loaded = loadConfig({ DATA_DIR: folder }, { dotEnvFolder: folder });
  const config = { ...loaded, http: { ...loaded.http, port: 0 } };
  const context = await openAppContext(config, {
    program: 'server',
    simulatedAccounts: [],
    writeLog: () => undefined,
  });
  try {
    const keys = [{ name: 'docs', scopes: ['read' as const], secret: SECRET }];
    const { url } = await openServer(context, { keys });
    const response = await fetch(`${url}/openapi.json`, {
      headers: { authorization: `Bearer ${SECRET}` },
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`GET /openapi.json returned ${response.status}`);
    return openApiText(await response.json());
  } finally {
    await context.shutdown.run('the document is written');
    await rm(folder, { recursive: true, force: true });
  }
}
