/** A program for durability.test.ts: writes rows one by one and prints each number once it is committed. */
import { openEmbeddedDatabase } from '../../../src/embedded/database/database.ts';
import { log, metrics } from './open.ts';

const [folder, fsync] = process.argv.slice(2);
const { pool } = await openEmbeddedDatabase({ folder: folder!, log, metrics, fsync: fsync === 'fsync' });
await pool.query('CREATE TABLE IF NOT EXISTS written (n int)');
for (let n = 0; ; n++) {
  await pool.query('INSERT INTO written VALUES ($1)', [n]);
  process.stdout.write(`${n}\n`);
}
