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

/** Milliseconds → `90m`, with the largest unit of which it is a whole number. */
export const formatDuration = (ms: number): string => format(ms, DURATION_UNITS);

/** Bytes → `256MiB`, with the largest unit of 1024 of which it is a whole number. */
export const formatSize = (bytes: number): string =>
  format(bytes, { B: 1, KiB: SIZE_UNITS.kib!, MiB: SIZE_UNITS.mib!, GiB: SIZE_UNITS.gib! });

/** `units` from small to large. */
function format(value: number, units: Readonly<Record<string, number>>): string {
  const entries = Object.entries(units);
  const [name, unit] = entries.findLast(([, size]) => value !== 0 && value % size === 0) ?? entries[0]!;
  return `${value / unit}${name}`;
}

function amount(digits: string, unit: number): number | undefined {
  const value = Math.round(Number(digits) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}
