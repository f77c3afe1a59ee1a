/** The catalogue: everything the program knows of media, in verbs. The same SQL on Postgres and on PGlite. */
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
import { createFleetRows } from './processes/registry.ts';
import { createRevocations } from './processes/revocations.ts';
import { createTimes } from './processes/timestamp-rules.ts';
import { createArchiving } from './queue/archiving.ts';
import { createFeeding } from './queue/claims.ts';
import { createOutcomes } from './queue/outcomes.ts';
import { createStoreHold } from './queue/store-hold.ts';
import { createRedriving } from './redrive/redrives.ts';
import { createHoldings } from './verification/objects.ts';
import { createVerifications } from './verification/verifications.ts';

export type Catalogue = ReturnType<typeof createCatalogue>;

/** `schema` is a plain identifier, checked by the configuration: it stands in the text of statements. */
export function createCatalogue(database: Database, schema: string, lifetimes: Lifetimes) {
  return {
    ...createAccepting(database, schema, lifetimes),
    ...createFeeding(database, schema),
    ...createArchiving(database, schema),
    ...createOutcomes(database, schema),
    ...createReading(database, schema),
    ...createRedriving(database, schema, lifetimes),
    ...createErasing(database, schema),
    ...createHoldings(database, schema, lifetimes),
    ...createSummaries(database, schema, lifetimes.lifetimeMs),
    accounts: createAccountStates(database, schema),
    fleet: createFleetRows(database, schema),
    kept: createKeptSecrets(database, schema),
    kfSyncs: createKfSyncs(database, schema, lifetimes),
    callbacks: createCallbackCounts(database, schema),
    events: createEvents(database, schema),
    incidents: createIncidents(database, schema),
    facts: createTroubleFacts(database, schema),
    storeHold: createStoreHold(database, schema),
    erasures: createErasures(database, schema),
    revocations: createRevocations(database, schema),
    tallies: createTallies(database, schema),
    times: createTimes(database, schema, lifetimes),
    verifications: createVerifications(database, schema),

    /** Takes or renews a named lease; false while another holder has it. */
    takeLease: async (name: string, holder: string, now: Date, until: Date): Promise<boolean> => {
      const rows = await database.query(
        `INSERT INTO ${schema}.lease AS l (name, holder, until) VALUES ($1, $2, $4)
         ON CONFLICT (name) DO UPDATE SET holder = $2, until = $4 WHERE l.holder = $2 OR l.until <= $3
         RETURNING name`,
        [name, holder, now, until],
      );
      return rows.length > 0;
    },

    dropLease: async (name: string, holder: string): Promise<void> => {
      await database.query(`DELETE FROM ${schema}.lease WHERE name = $1 AND holder = $2`, [name, holder]);
    },

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
