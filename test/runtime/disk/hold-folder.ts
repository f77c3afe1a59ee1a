/** A program for folder-lock.test.ts: locks the folder, prints `held` or `refused`, and holds the lock until killed. */
import { FolderInUseError, lockFolder } from '../../../src/runtime/disk/folder-lock.ts';

try {
  await lockFolder(process.argv[2]!);
  process.stdout.write('held\n');
  process.stdin.resume(); // ends with its parent
} catch (error) {
  if (!(error instanceof FolderInUseError)) throw error;
  process.stdout.write('refused\n');
}
