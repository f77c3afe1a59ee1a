/** A program for spool.test.ts: appends until it is killed, and prints each record once it is on disk. */
import { createLog } from '../../src/runtime/log.ts';
import { openSpool } from '../../src/spool/spool.ts';

const [, , folder = ''] = process.argv;
const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const spool = await openSpool({ folder, limitBytes: 64 * 1024 * 1024, floorBytes: 0, log });
for (let n = 0; ; n++) {
  const texts = Array.from({ length: 3 }, (_, part) => JSON.stringify({ pid: process.pid, n, part }));
  await spool.append(texts);
  process.stdout.write(`${texts.join('\n')}\n`);
}
