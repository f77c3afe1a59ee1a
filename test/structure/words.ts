/** The words of docs/glossary.md as a rule: private names that were replaced and may not come back. */

/** A word that was replaced: what finds it, what stands in its place, and where it is right after all. */
export interface OldWord {
  /** Matched against the words of a file, in lower case and with names taken apart: `startFeeder` → `start feeder`. */
  readonly pattern: RegExp;
  readonly instead: string;
  /** Uses that are right: public names, other people's names, plain English. Matched like `pattern`. */
  readonly except?: RegExp;
}

const word = (words: string, instead: string, except?: RegExp): OldWord => ({
  pattern: new RegExp(`\\b(?:${words})\\b`, 'g'),
  instead,
  ...(except ? { except } : {}),
});

export const OLD_WORDS: readonly OldWord[] = [
  // The domain.
  word('feeder|feeders|fed|unfeed', 'dispatcher, dispatched, claimed, requeued'),
  word('canary|canaries', 'probe'),
  word('incidents?', 'alert'),
  word('plights?|ailments?|ails|troubles?|troubled', 'alert, failure, fault'),
  word('deeds?', 'audit entry, action'),
  word('tally|tallies', 'count, counter'),
  word('spoils?|spoiled|spoilt|spoiling|mischief', 'fault, damaged'),
  word('misbehaves?|misbehaving|misbehaviour', 'fault'),
  word('knocks?', 'request, probe'),
  // The machine.
  word('lanes?', 'connection, connection pool'),
  word('patience|impatient', 'timeout'),
  word('bells?', 'wake signal'),
  word('vital signs', 'health'),
  word('dispositions?', 'job result', /content dispositions?|odd disposition|disposition type/g),
  word('unseal|seals?|sealed|sealing', 'encrypt at rest'),
  word('token theft|thefts?', 'token conflict'),
  word('supplied tokens?|shared tokens?', 'external token, managed token', /supplied token refused/g),
  word('ledgers?', 'request log'),
  word('fleet', 'worker registry, processes'),
  word('presence', 'database availability'),
  word('address guard', 'SSRF guard'),
  word('load sheds?|pressure', 'load shedding', /memory pressure/g),
  // How we write.
  word(
    'somebody|someone else|whoever|anybody|everybody|nobody',
    'name who it is',
    /user postgres nor nobody|made or nobody|'nobody'/g,
  ),
  word('for ever|forever|by itself', 'permanently, without a limit, automatically'),
  word('as good', 'say what it is equivalent to'),
  word(
    'a media',
    'a media item',
    /a media (?:items?|ids?|types?|rows?|query|queries|range|get|element|file)\b/g,
  ),
  word('tries (?:left|spent|so far)|(?:of|no|how many|many|more|failed|three|its|the) tries', 'attempts'),
  word('media (?:is|are|was|were|has|have|waits?)\\b', 'media items', /social media|media are files/g),
];

/** `openTheFeeder`, `open_the_feeder`, `OPEN_THE_FEEDER` → `open the feeder`; keeps the lines. */
export function plainWords(text: string): string {
  return text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .replace(/[^A-Za-z\n']+/g, ' ')
    .toLowerCase();
}

/** A sentence for each old word in a text: `src/a.ts:12: "fed"; write dispatched`. */
export function oldWordsIn(path: string, text: string, words: readonly OldWord[] = OLD_WORDS): string[] {
  return text.split('\n').flatMap((line, index) => {
    const plain = plainWords(line);
    return words.flatMap(({ pattern, instead, except }) => {
      const rest = except ? plain.replace(except, ' ') : plain;
      return [...rest.matchAll(pattern)].map(
        ([found]) => `${path}:${index + 1}: "${found.trim()}"; write: ${instead}`,
      );
    });
  });
}
