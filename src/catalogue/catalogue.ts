/**
 * The catalogue: every statement about media items, accounts and the service's own work, grouped by subject. The SQL is
 * the same on Postgres and on PGlite.
 */
import type { Lifetimes } from '../runtime/clock.ts';
import { createAccountStates } from './accounts/accounts.ts';
import { createCallbackCounts } from './accounts/callback-counts.ts';
import { createEncryptedSecrets } from './accounts/encrypted-secrets.ts';
import { createKfCursors } from './accounts/kf-cursors.ts';
import { createAcknowledgements } from './alerts/acknowledgements.ts';
import { createAlerts } from './alerts/alerts.ts';
import { createAlertFacts } from './alerts/facts.ts';
import { createAuditLog } from './audit-log/audit-log.ts';
import type { Database } from './database/database.ts';
import { createErasures } from './erasure/erasures.ts';
import { createMediaErasure } from './erasure/media-erasure.ts';
import { createAtRiskEvents } from './events/at-risk.ts';
import { createEventReads } from './events/read.ts';
import { createEventRetention } from './events/retention.ts';
import { createEventSequence } from './events/sequence.ts';
import { createChangeMark } from './history/change-mark.ts';
import { createHistory } from './history/history.ts';
import { createStats } from './history/stats.ts';
import { createStatusCounts } from './history/status-counts.ts';
import { createMediaInserts } from './media/insert.ts';
import { createMediaPages } from './media/pages.ts';
import { createMediaReads } from './media/read.ts';
import { createSelections } from './media/selection.ts';
import { createLeases } from './processes/leases.ts';
import { createProcessRegistry } from './processes/registry.ts';
import { createRevocations } from './processes/revocations.ts';
import { createTimestamps } from './processes/timestamp-rules.ts';
import { createClaims } from './queue/claims.ts';
import { createDueCounts } from './queue/due.ts';
import { createFailureOutcomes } from './queue/outcomes.ts';
import { createStoreHold } from './queue/store-hold.ts';
import { createSuccessOutcomes } from './queue/success-outcomes.ts';
import { createUploads } from './queue/uploads.ts';
import { createRedrives } from './redrive/redrives.ts';
import { createObjectRows } from './verification/objects.ts';
import { createVerifications } from './verification/verifications.ts';
import { createDeliveries } from './webhooks/deliveries.ts';
import { createWebhookEndpoints } from './webhooks/endpoints.ts';
import { createFanOut } from './webhooks/fan-out.ts';
import { createDeliveryClaims } from './webhooks/sending.ts';

export type Catalogue = ReturnType<typeof createCatalogue>;

/** `schema` is a plain identifier, checked by the configuration: it stands in the text of statements. */
export function createCatalogue(database: Database, schema: string, lifetimes: Lifetimes) {
  return {
    media: {
      ...createMediaInserts(database, schema, lifetimes),
      ...createMediaReads(database, schema),
      ...createMediaPages(database, schema),
    },
    selections: createSelections(database, schema),
    queue: { ...createClaims(database, schema), ...createDueCounts(database, schema) },
    outcomes: { ...createSuccessOutcomes(database, schema), ...createFailureOutcomes(database, schema) },
    uploads: createUploads(database, schema),
    storeHold: createStoreHold(database, schema),
    accounts: createAccountStates(database, schema),
    kfCursors: createKfCursors(database, schema, lifetimes),
    callbackCounts: createCallbackCounts(database, schema),
    encryptedSecrets: createEncryptedSecrets(database, schema),
    redrives: createRedrives(database, schema, lifetimes),
    mediaErasure: createMediaErasure(database, schema),
    erasures: createErasures(database, schema),
    objects: createObjectRows(database, schema, lifetimes),
    verifications: createVerifications(database, schema),
    alerts: createAlerts(database, schema),
    alertFacts: createAlertFacts(database, schema),
    acknowledgements: createAcknowledgements(database, schema),
    auditLog: createAuditLog(database, schema),
    events: {
      ...createEventSequence(database, schema),
      ...createEventReads(database, schema),
      ...createEventRetention(database, schema),
      ...createAtRiskEvents(database, schema),
    },
    stats: {
      ...createStats(database, schema, lifetimes),
      ...createStatusCounts(database, schema),
    },
    changeMark: createChangeMark(database, schema),
    history: createHistory(database, schema),
    webhooks: {
      endpoints: createWebhookEndpoints(database, schema),
      deliveries: createDeliveries(database, schema),
      ...createFanOut(database, schema),
      ...createDeliveryClaims(database, schema),
    },
    processes: createProcessRegistry(database, schema),
    leases: createLeases(database, schema),
    revocations: createRevocations(database, schema),
    timestamps: createTimestamps(database, schema, lifetimes),

    /** The id of the catalogue; it stays the same when the database is moved or restored. */
    identity: async (): Promise<string> => {
      const [row] = await database.query<{ id: string }>(`SELECT id FROM ${schema}.catalogue`);
      if (!row) throw new Error(`the table ${schema}.catalogue is empty`);
      return row.id;
    },

    /** Throws DatabaseUnavailableError if the database cannot be reached. */
    ping: async (): Promise<void> => {
      await database.query('SELECT 1');
    },
  };
}
