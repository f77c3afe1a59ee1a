/** What a start cannot do without, alone: `imports` of the program, or a `PGlite` opened in a folder. */

const [what, folder] = process.argv.slice(2);
if (what === 'imports') {
  const src = new URL('../../src/', import.meta.url);
  for (const file of ['app/app-context.ts', 'app/worker.ts', 'server/start.ts', 'simulator/server.ts'])
    await import(new URL(file, src).href);
  process.stdout.write('ready\n');
} else {
  const { PGlite } = await import('@electric-sql/pglite');
  const db = await PGlite.create(folder!);
  await db.query('SELECT 1');
  process.stdout.write('ready\n');
  // Closed, or the next opening would be a recovery.
  await db.close();
  process.exit();
}
