/** The catalogue: everything the program knows of media, in verbs. The same SQL on Postgres and on PGlite. */
import type { Lifetimes } from '../clock.ts';
import { createAccepting } from './accepting.ts';
import { createAccountStates } from './accounts.ts';
import { createArchiving } from './archiving.ts';
import { createCallbackCounts } from './callbacks.ts';
import type { Database } from './database.ts';
import { createErasing } from './erasing.ts';
import { createErasures } from './erasures.ts';
import { createEvents } from './events.ts';
import { createFeeding } from './feeding.ts';
import { createFleetRows } from './fleet.ts';
import { createHoldings } from './holdings.ts';
import { createIncidents } from './incidents.ts';
import { createKeptSecrets } from './kept-secrets.ts';
import { createKfSyncs } from './kf-sync.ts';
import { createOutcomes } from './outcomes.ts';
import { createReading } from './reading.ts';
import { createRedriving } from './redriving.ts';
import { createRevocations } from './revocations.ts';
import { createStoreHold } from './store-hold.ts';
import { createSummaries } from './summaries.ts';
import { createTallies } from './tallies.ts';
import { createTimes } from './times.ts';
import { createTroubleFacts } from './trouble-facts.ts';
import { createVerifications } from './verifications.ts';

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
