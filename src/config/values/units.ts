/** Parses sizes and durations that a person wrote. */

const SIZE_UNITS: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

const DURATION_UNITS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `256MiB` → bytes; KiB MiB GiB are powers of 1024, KB MB GB of 1000, a bare number is bytes. */
export function parseSize(text: string): number | undefined {
  // `256M` is refused, because it is ambiguous: it may mean MB or MiB.
  const match = /^(\d+(?:\.\d+)?) ?(B|KB|MB|GB|KiB|MiB|GiB)?$/i.exec(text.trim());
  return match ? amount(match[1]!, SIZE_UNITS[(match[2] ?? 'b').toLowerCase()]!) : undefined;
}

/** `15s` → milliseconds; ms s m h d, a bare number is milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)?$/.exec(text.trim());
  return match ? amount(match[1]!, DURATION_UNITS[match[2] ?? 'ms']!) : undefined;
}

function amount(digits: string, unit: number): number | undefined {
  const value = Math.round(Number(digits) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}
