/**
 * The catalogue: every statement about media items, accounts and the service's own work, grouped by subject. The SQL is
 * the same on Postgres and on PGlite.
 */
import type { Lifetimes } from '../runtime/clock.ts';
import { createAccountStates } from './accounts/accounts.ts';
import { createCallbackCounts } from './accounts/callback-counts.ts';
import { createKeptSecrets } from './accounts/encrypted-secrets.ts';
import { createKfSyncs } from './accounts/kf-cursors.ts';
import { createIncidents } from './alerts/alerts.ts';
import { createTroubleFacts } from './alerts/facts.ts';
import { createEvents } from './audit-log/audit-log.ts';
import type { Database } from './database/database.ts';
import { createErasing } from './erasure/erase-media.ts';
import { createErasures } from './erasure/erasures.ts';
import { createSummaries } from './history/summaries.ts';
import { createTallies } from './history/tallies.ts';
import { createAccepting } from './media/insert.ts';
import { createReading } from './media/read.ts';
import { createLeases } from './processes/leases.ts';
import { createFleetRows } from './processes/registry.ts';
import { createRevocations } from './processes/revocations.ts';
import { createTimes } from './processes/timestamp-rules.ts';
import { createArchiving } from './queue/archiving.ts';
import { createFeeding } from './queue/claims.ts';
import { createOutcomes } from './queue/outcomes.ts';
import { createStoreHold } from './queue/store-hold.ts';
import { createUploads } from './queue/uploads.ts';
import { createRedrives } from './redrive/redrives.ts';
import { createHoldings } from './verification/objects.ts';
import { createVerifications } from './verification/verifications.ts';

export type Catalogue = ReturnType<typeof createCatalogue>;

/** `schema` is a plain identifier, checked by the configuration: it stands in the text of statements. */
export function createCatalogue(database: Database, schema: string, lifetimes: Lifetimes) {
  return {
    media: { ...createAccepting(database, schema, lifetimes), ...createReading(database, schema) },
    queue: createFeeding(database, schema),
    outcomes: { ...createArchiving(database, schema), ...createOutcomes(database, schema) },
    uploads: createUploads(database, schema),
    storeHold: createStoreHold(database, schema),
    accounts: createAccountStates(database, schema),
    kfSyncs: createKfSyncs(database, schema, lifetimes),
    callbacks: createCallbackCounts(database, schema),
    kept: createKeptSecrets(database, schema),
    redrives: createRedrives(database, schema, lifetimes),
    mediaErasure: createErasing(database, schema),
    erasures: createErasures(database, schema),
    objects: createHoldings(database, schema, lifetimes),
    verifications: createVerifications(database, schema),
    incidents: createIncidents(database, schema),
    facts: createTroubleFacts(database, schema),
    events: createEvents(database, schema),
    stats: {
      ...createSummaries(database, schema, lifetimes.lifetimeMs),
      ...createTallies(database, schema),
    },
    fleet: createFleetRows(database, schema),
    leases: createLeases(database, schema),
    revocations: createRevocations(database, schema),
    times: createTimes(database, schema, lifetimes),

    /** The same for as long as the catalogue lives, in a restored or moved one too. */
    identity: async (): Promise<string> => {
      const [row] = await database.query<{ id: string }>(`SELECT id FROM ${schema}.catalogue`);
      if (!row) throw new Error(`the table ${schema}.catalogue is empty`);
      return row.id;
    },

    /** Throws DatabaseAwayError where nothing could be written now. */
    ping: async (): Promise<void> => {
      await database.query('SELECT 1');
    },
  };
}
