/** A program for folder-lock.test.ts: takes the folder, says `held` or `refused`, holds it until killed. */
import { FolderInUseError, lockFolder } from '../../../src/runtime/disk/folder-lock.ts';

try {
  await lockFolder(process.argv[2]!);
  process.stdout.write('held\n');
  process.stdin.resume(); // ends with its parent
} catch (error) {
  if (!(error instanceof FolderInUseError)) throw error;
  process.stdout.write('refused\n');
}
