/** POST /v1/exports: the files of a filter as a ZIP. */
import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import {
  EXPORT_LIMITS,
  ExportBusyError,
  type Exporter,
  ExportTooLargeError,
} from '../../../pipeline/export/exporter.ts';
import { type Principal, resolveAccount } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { trimmedText } from '../field-schemas.ts';
import {
  filterSchema,
  keptFilterOf,
  mediaFilterOf,
  refuseFields,
  refusePersonInReason,
  refuseStatuses,
} from '../filter-body.ts';
import { selectionExample, selectionSchema } from './selection-schema.ts';

const NEVER_ARCHIVED = {
  en: 'only dead and expired media items have it, and those have no file',
  zh: '只有 dead 和 expired 状态的素材有此字段，而它们没有文件',
};
const HAS_NO_DEADLINE = {
  en: 'only pending media items have a deadline, and those have no file',
  zh: '只有 pending 状态的素材有截止时间，而它们没有文件',
};

const exportBody = z
  .strictObject({
    filter: filterSchema.describe(
      'media items that match and have no file are listed in the manifest only; empty: all of the key',
    ),
    reason: trimmedText(300)
      .optional()
      .describe('stored permanently in the audit log: do not include personal data'),
    dryRun: z.boolean().default(false).describe('only counts what matches'),
  })
  .superRefine(({ filter, reason }, context) => {
    refuseFields(context, filter, {
      errcode: NEVER_ARCHIVED,
      code: NEVER_ARCHIVED,
      class: NEVER_ARCHIVED,
      failedFrom: NEVER_ARCHIVED,
      failedTo: NEVER_ARCHIVED,
      expiresFrom: HAS_NO_DEADLINE,
      expiresBefore: HAS_NO_DEADLINE,
    });
    if (filter.status && !filter.status.includes('archived'))
      refuseStatuses(context, filter, () => true, {
        en: 'only archived media items have a file',
        zh: '只有 archived 状态的素材有文件',
      });
    refusePersonInReason(context, reason, filter);
  });

type ExportBody = z.infer<typeof exportBody>;

type ExportDeps = Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock'> & {
  readonly exporter: Exporter;
};

function filterOf({ accounts }: Pick<ExportDeps, 'accounts'>, principal: Principal, { filter }: ExportBody) {
  const named = filter.account?.map((name) => resolveAccount(principal, accounts, name));
  return mediaFilterOf(filter, named ?? principal.accounts);
}

/**
 * Sends the ZIP. Once bytes are sent, an error closes the connection: the client sees that the response is not complete.
 */
async function sendExport(
  deps: ExportDeps,
  principal: Principal,
  body: ExportBody,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { filter, reason } = body;
  const started = await deps.exporter
    .start({
      filter: filterOf(deps, principal, body),
      actor: principal.name,
      reason,
      keptFilter: keptFilterOf(filter),
    })
    .catch(explain);
  const { stream } = started;
  reply.raw.once('close', () => stream.destroy());
  // It may have left while the catalogue counted.
  if (reply.raw.destroyed) stream.destroy();
  // Until the first byte an error is a problem like any other, without the headers of a ZIP.
  await once(stream, 'readable');
  const at = deps.clock
    .now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '');
  return (
    reply
      .header('content-type', 'application/zip')
      .header('content-disposition', `attachment; filename="wma-${at}.zip"`)
      .header('x-content-type-options', 'nosniff')
      // nginx would otherwise read ahead into a file, and report a broken response as a complete one of that length.
      .header('x-accel-buffering', 'no')
      .send(stream)
  );
}

function explain(error: unknown): never {
  if (error instanceof ExportTooLargeError) {
    const { items, bytes } = EXPORT_LIMITS;
    const message = {
      en: `matches more than ${items} media items or ${bytes / 1024 ** 3} GiB: narrow the filter`,
      zh: `匹配超过 ${items} 个素材或 ${bytes / 1024 ** 3} GiB：请缩小筛选范围`,
    };
    throw new Problem('invalid_request', { errors: [{ field: 'filter', message }] });
  }
  if (!(error instanceof ExportBusyError)) throw error;
  throw new Problem('export_running', {
    detail:
      error.of === 'key' ? 'this key has an export in progress' : 'this server has other exports in progress',
    retryAfterSeconds: 30,
  });
}

export function exportRoutes(deps: ExportDeps) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/exports',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['media'],
          operationId: 'exportMedia',
          summary: 'Download the files of media items as a ZIP',
          description: `Up to ${EXPORT_LIMITS.items} media items with a manifest, one export at a time for each key. With \`dryRun\` the response is JSON that counts them.`,
          body: exportBody,
          response: { 200: selectionSchema },
          contentTypes: { 200: ['application/zip'] },
          examples: {
            body: { filter: { account: ['wx0123456789abcdef'], sentFrom: '2026-11-01T00:00:00Z' } },
            response: { 200: selectionExample },
          },
          problems: ['export_running', 'store_refused', 'store_unavailable'],
        },
      },
      async (request, reply) => {
        const { body, principal } = request;
        if (!body.dryRun) return await sendExport(deps, principal, body, reply);
        const filter = filterOf(deps, principal, body);
        return await deps.catalogue.selections.preview(filter, { children: false });
      },
    );
  };
}
