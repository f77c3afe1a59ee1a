/** The pages of media items. */
import type { PageRoute } from '../../core/route.ts';
import { eraseItem, eraseItemPage, itemPage, makeLink, retryItem } from './item.ts';
import { mediaListPage } from './list.ts';

export const mediaPages: readonly PageRoute[] = [
  { method: 'GET', path: '/media', handler: mediaListPage },
  { method: 'GET', path: '/media/:id', handler: itemPage },
  { method: 'POST', path: '/media/:id/retry', scope: 'write', handler: retryItem },
  { method: 'POST', path: '/media/:id/links', handler: makeLink },
  { method: 'GET', path: '/media/:id/erase', scope: 'admin', handler: (page) => eraseItemPage(page) },
  { method: 'POST', path: '/media/:id/erase', scope: 'admin', handler: eraseItem },
];
