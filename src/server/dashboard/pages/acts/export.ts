/** /export: how many files a filter has, and then their ZIP. */
import type { FastifyReply } from 'fastify';
import { empty, panel, problemBox } from '../../components/elements.ts';
import { formEnd, reasonField } from '../../components/forms.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { html } from '../../core/html.ts';
import { orExplain, type PageContent, type PageContext, type PageResult, SENT } from '../../core/page.ts';
import { accountNames, chosenFilterOf, filterBodyOf, filterPanel, filterQueryOf } from './filter-body.ts';
import { ACTS } from './texts.ts';
import type { Selection } from './types.ts';

/** Headers of the API's response that the browser needs: what it is, and under which name it is saved. */
const PASSED_ON = ['content-type', 'content-disposition', 'cache-control', 'x-accel-buffering'] as const;

async function render(page: PageContext, typed?: { reason: string }, error?: ApiError): Promise<PageContent> {
  const { api, locale } = page;
  const t = locale.of(ACTS);
  const chosen = chosenFilterOf(page.query);
  const query = filterQueryOf(chosen);
  const [names, { matched, bytes, groups }] = await Promise.all([
    accountNames(page),
    api.send<Selection>('POST', '/v1/exports', { filter: filterBodyOf(chosen, locale), dryRun: true }),
  ]);
  const files = groups
    .filter(({ status }) => status === 'archived')
    .reduce((sum, { count }) => sum + count, 0);
  return {
    title: t.exportTitle,
    section: '/media',
    isLive: false,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
<p>${t.exportWhat}</p>
${filterPanel(chosen, locale, names, t.everything)}
${
  files === 0
    ? empty(t.nothingToExport)
    : panel(
        'preview',
        t.matchedExport(locale.number(files), locale.size(bytes)),
        html`${matched > files && html`<p>${t.withoutFile(locale.number(matched - files))}</p>`}<form method="post" action="${addressOf('/export', query)}" class="ask">
<p class="hint">${t.exportNotice}</p>
${reasonField(locale, typed?.reason)}
${formEnd(locale, t.startExport, addressOf('/media', query))}
</form>`,
      )
}`,
  };
}

export const exportPage = (page: PageContext): Promise<PageContent> => render(page);

/** Sends the ZIP as the API makes it. A form cannot send JSON, and without scripts there is only the form. */
export async function startExport(page: PageContext, reply: FastifyReply): Promise<PageResult> {
  const { api, form, locale } = page;
  const reason = form.get('reason') ?? '';
  return orExplain<PageResult>(
    async () => {
      const { headers, body } = await api.stream('/v1/exports', {
        filter: filterBodyOf(chosenFilterOf(page.query), locale),
        ...(reason.trim() === '' ? {} : { reason }),
      });
      for (const name of PASSED_ON) if (headers[name] !== undefined) reply.header(name, headers[name]);
      // If the stream breaks, the connection is cut: what has arrived must not look like a complete ZIP.
      void reply.send(body);
      return SENT;
    },
    (error) => render(page, { reason }, error),
  );
}
