/** The pages of operations. */
import type { PageRoute } from '../../core/route.ts';
import { accountsPage, checkAccount, holdAccount, holdPage, releaseAccount } from './accounts.ts';
import { acknowledge, alertsPage, releaseStore, testAlert } from './alerts.ts';
import { auditLogPage } from './audit-log.ts';
import { acknowledgeDead, deadLettersPage } from './dead-letters.ts';
import { settingsPage, startVerification, testStore } from './settings.ts';
import { stopVerification, verificationPage } from './verifications.ts';

export const operationPages: readonly PageRoute[] = [
  { method: 'GET', path: '/dead-letters', handler: deadLettersPage },
  { method: 'POST', path: '/dead-letters/acknowledge', scope: 'admin', handler: acknowledgeDead },
  { method: 'GET', path: '/accounts', handler: accountsPage },
  { method: 'GET', path: '/accounts/:account/hold', scope: 'admin', handler: holdPage },
  { method: 'POST', path: '/accounts/:account/hold', scope: 'admin', handler: holdAccount },
  { method: 'POST', path: '/accounts/:account/release', scope: 'admin', handler: releaseAccount },
  { method: 'POST', path: '/accounts/:account/check', scope: 'admin', handler: checkAccount },
  { method: 'GET', path: '/alerts', handler: alertsPage },
  { method: 'POST', path: '/alerts/acknowledge', scope: 'admin', handler: acknowledge },
  { method: 'POST', path: '/alerts/release-store', scope: 'admin', handler: releaseStore },
  { method: 'POST', path: '/alerts/test', scope: 'admin', handler: testAlert },
  { method: 'GET', path: '/audit-log', handler: auditLogPage },
  { method: 'GET', path: '/settings', handler: settingsPage },
  { method: 'POST', path: '/settings/test-store', scope: 'admin', handler: testStore },
  { method: 'POST', path: '/verifications', scope: 'admin', handler: startVerification },
  { method: 'GET', path: '/verifications/:id', handler: verificationPage },
  { method: 'POST', path: '/verifications/:id/stop', scope: 'admin', handler: stopVerification },
];
