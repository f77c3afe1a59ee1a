/** The pages of media items. */
import type { PageRoute } from '../../core/route.ts';
import { mediaListPage } from './list.ts';

export const mediaPages: readonly PageRoute[] = [{ method: 'GET', path: '/media', handler: mediaListPage }];
