/** Finds the name that was probably intended, for variables and for fields of a file. */

/** Counts the edits between two words: insert, delete, replace, swap neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, beforeLast[j - 2]! + 1);
      }
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** Returns the known word at most two edits away, ignoring case, `_` and `-`. */
export function closestWord(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[_-]/g, '');
  return closest(known, (candidate) => {
    const edits = editDistance(plain(word), plain(candidate));
    return edits <= Math.min(2, candidate.length - 2) ? edits : undefined;
  });
}

// Common names in other programs that differ from a known name only by the underscore.
const FOREIGN = new Set(['LOGLEVEL', 'DATADIR']);

/**
 * Returns the known variable that was probably intended by `name`. An unrelated variable must not prevent a start, so
 * two edits at any position are not enough: HOME is two edits from HOST, APP_KEY from API_KEYS, DATABASE_SSL from
 * DATABASE_URL, and DATABASE_URL_2 may be another program's second database.
 */
export function intendedVariable(name: string, known: readonly string[]): string | undefined {
  const word = name.toUpperCase();
  if (FOREIGN.has(word)) return undefined;
  return closest(known, (target) => editsBetweenVariables(word, target));
}

/**
 * Returns the known variable whose words include the words of `name` in the same order: WECHAT_SECRET →
 * WECHAT_APP_SECRET.
 */
export function abbreviatedVariable(name: string, known: readonly string[]): string | undefined {
  const words = name.toUpperCase().split('_');
  if (words.length < 2) return undefined;
  return known.find((target) => {
    const rest = target.split('_');
    if (rest[0] !== words[0] || rest.length <= words.length) return false;
    return words.every((word) => {
      const at = rest.indexOf(word);
      rest.splice(0, at + 1);
      return at >= 0;
    });
  });
}

function editsBetweenVariables(word: string, target: string): number | undefined {
  const theirs = word.split('_');
  const ours = target.split('_');
  if (ours.length === 1) return word === target ? 0 : isSwap(word, target) ? 1 : undefined;
  if (word.replaceAll('_', '') === target.replaceAll('_', '')) return Math.abs(theirs.length - ours.length);
  if (word.startsWith(`${target}_`) || word.replace(/\d+$/, '') === target) return undefined;
  const edits = editDistance(word, target);
  if (edits > 2) return undefined;
  if (theirs.length !== ours.length) return theirs[0] === ours[0] ? edits : undefined;
  const near = ours.every((part, index) => editDistance(part, theirs[index]!) <= editsAllowed(part, index));
  return near ? edits : undefined;
}

/**
 * Whether two letters are swapped (PROT for PORT). Short names are only checked for this; otherwise many unrelated
 * variables would look like misspellings.
 */
function isSwap(word: string, target: string): boolean {
  return editDistance(word, target) === 1 && [...word].sort().join('') === [...target].sort().join('');
}

function editsAllowed(part: string, index: number): number {
  if (index === 0 && part.length <= 3) return 0;
  return part.length <= (index === 0 ? 5 : 4) ? 1 : 2;
}

function closest(
  candidates: readonly string[],
  measure: (candidate: string) => number | undefined,
): string | undefined {
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = measure(candidate);
    if (edits !== undefined && (!best || edits < best.edits)) best = { candidate, edits };
  }
  return best?.candidate;
}
