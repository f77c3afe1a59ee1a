/** The files in fixtures/: small pictures and films that browsers show, one of which each seed selects. */
import { readFileSync } from 'node:fs';

const loaded = new Map<string, Buffer>();

/** Reads a file of fixtures/ once. The caller must not change the bytes. */
export function loadFixture(name: string): Buffer {
  const known = loaded.get(name);
  if (known) return known;
  const bytes = readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
  loaded.set(name, bytes);
  return bytes;
}
