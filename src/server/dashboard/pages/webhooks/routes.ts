/** The pages of webhooks. */
import type { PageRoute } from '../../core/route.ts';
import {
  deleteWebhook,
  deleteWebhookPage,
  disableWebhook,
  enableWebhook,
  replayWebhook,
  resendDelivery,
  rotateWebhook,
  testWebhook,
  webhookPage,
} from './endpoint.ts';
import { changeWebhook, changeWebhookPage, createWebhook, newWebhookPage, webhooksPage } from './list.ts';

export const webhookPages: readonly PageRoute[] = [
  { method: 'GET', path: '/webhooks', handler: webhooksPage },
  { method: 'POST', path: '/webhooks', scope: 'admin', handler: createWebhook },
  { method: 'GET', path: '/webhooks/new', scope: 'admin', handler: newWebhookPage },
  { method: 'GET', path: '/webhooks/:id', handler: webhookPage },
  { method: 'GET', path: '/webhooks/:id/change', scope: 'admin', handler: changeWebhookPage },
  { method: 'POST', path: '/webhooks/:id/change', scope: 'admin', handler: changeWebhook },
  { method: 'GET', path: '/webhooks/:id/delete', scope: 'admin', handler: deleteWebhookPage },
  { method: 'POST', path: '/webhooks/:id/delete', scope: 'admin', handler: deleteWebhook },
  { method: 'POST', path: '/webhooks/:id/test', scope: 'admin', handler: testWebhook },
  { method: 'POST', path: '/webhooks/:id/rotate', scope: 'admin', handler: rotateWebhook },
  { method: 'POST', path: '/webhooks/:id/enable', scope: 'admin', handler: enableWebhook },
  { method: 'POST', path: '/webhooks/:id/disable', scope: 'admin', handler: disableWebhook },
  { method: 'POST', path: '/webhooks/:id/replay', scope: 'admin', handler: replayWebhook },
  { method: 'POST', path: '/webhooks/:id/resend', scope: 'admin', handler: resendDelivery },
];
