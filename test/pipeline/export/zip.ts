/** Reads ZIPs with programs that are not ours. */
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LIMITS = { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };

/** Prints the entries as JSON; with a second argument it reads all of them and compares their checksums. */
const LIST = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    bad = z.testzip() if len(sys.argv) > 2 else None
    if bad: sys.exit(bad)
    json.dump({"entries": [
        {"path": i.filename, "size": i.file_size, "utf8": bool(i.flag_bits & 0x800) or i.filename.isascii()}
        for i in z.infolist()]}, sys.stdout)
`;

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

export interface UnzippedEntry {
  readonly path: string;
  readonly size: number;
  readonly utf8: boolean;
}

export interface ZipFolder {
  /** Writes a stream or bytes as a file, and returns its path. */
  write(content: Readable | Buffer): Promise<string>;
  /** Whether the programs of this machine accept it as a whole ZIP: `unzip -t`, and Python's zipfile. */
  isValid(file: string): Promise<boolean>;
  entries(file: string): Promise<readonly UnzippedEntry[]>;
  read(file: string, path: string): Promise<Buffer>;
  remove(): Promise<void>;
}

export async function openZipFolder(): Promise<ZipFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'wma-zip-'));
  let serial = 0;

  const passes = async (program: string, args: readonly string[]): Promise<boolean | undefined> => {
    try {
      await run(program, args, LIMITS);
      return true;
    } catch (error) {
      return isMissing(error) ? undefined : false;
    }
  };

  const list = async (file: string) => {
    const { stdout } = await run('python3', ['-c', LIST, file], LIMITS);
    return JSON.parse(stdout) as { entries: UnzippedEntry[] };
  };

  return {
    write: async (content) => {
      const file = join(folder, `${serial++}.zip`);
      if (Buffer.isBuffer(content)) await writeFile(file, content);
      else await pipeline(content, createWriteStream(file));
      return file;
    },
    isValid: async (file) => {
      const results = [
        await passes('unzip', ['-tqq', file]),
        await passes('python3', ['-c', LIST, file, 'test']),
      ].filter((result) => result !== undefined);
      if (results.length === 0) throw new Error('neither unzip nor python3 is installed');
      if (results.some((result) => result !== results[0])) throw new Error('the programs disagree');
      return results[0] as boolean;
    },
    entries: async (file) => (await list(file)).entries,
    read: async (file, path) => {
      const { stdout } = await run('unzip', ['-p', file, path], { ...LIMITS, encoding: 'buffer' });
      return stdout;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

export const readAll = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};
