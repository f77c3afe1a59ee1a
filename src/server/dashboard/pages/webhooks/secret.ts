/** The page that shows a signing secret, once. */
import { code, copyButton, link, panel } from '../../components/elements.ts';
import { html } from '../../core/html.ts';
import type { PageContent, PageContext } from '../../core/page.ts';
import { WEBHOOKS } from './texts.ts';
import type { WithSecret } from './types.ts';

export function secretPage({ locale }: PageContext, { id, secret }: WithSecret): PageContent {
  const t = locale.of(WEBHOOKS);
  return {
    title: t.secretTitle,
    section: '/webhooks',
    isLive: false,
    main: panel(
      'secret',
      t.secretTitle,
      html`<p>${t.secretHint}</p><p><span class="paste">${code(secret)}</span>${copyButton(locale, secret, t.secretTitle)}</p><p>${link(`/webhooks/${id}`, t.toEndpoint, 'button')}</p>`,
    ),
  };
}
