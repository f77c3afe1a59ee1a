/** The pages that act on all media items of a filter. */
import type { PageRoute } from '../../core/route.ts';
import { erasePage, startErasure } from './erase.ts';
import { erasurePage, erasuresPage } from './erasures.ts';
import { exportPage, startExport } from './export.ts';
import { redrivePage, startRedrive } from './redrive.ts';
import { redriveProgressPage, stopRedrive } from './redrives.ts';

export const actPages: readonly PageRoute[] = [
  { method: 'GET', path: '/redrive', scope: 'admin', handler: redrivePage },
  { method: 'POST', path: '/redrive', scope: 'admin', handler: startRedrive },
  { method: 'GET', path: '/redrives/:id', handler: redriveProgressPage },
  { method: 'POST', path: '/redrives/:id/stop', scope: 'admin', handler: stopRedrive },
  { method: 'GET', path: '/erase', scope: 'admin', handler: erasePage },
  { method: 'POST', path: '/erase', scope: 'admin', handler: startErasure },
  { method: 'GET', path: '/erasures', handler: erasuresPage },
  { method: 'GET', path: '/erasures/:id', handler: erasurePage },
  { method: 'GET', path: '/export', handler: exportPage },
  { method: 'POST', path: '/export', handler: startExport },
];
