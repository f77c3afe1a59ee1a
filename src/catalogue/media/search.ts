/** What one search box may mean: an id of some kind, the beginning of a digest, or words of a text or file name. */
import { ID_PATTERN } from '../../media.ts';

/** Makes a value a parameter of the statement and returns its place: `$3`. */
export type Bind = (value: unknown) => string;

export interface Search {
  /** The id of an item. */
  readonly id?: string;
  /** The text as an id of WeChat: as it is, and without invisible characters. */
  readonly exact: readonly string[];
  /** The same, and without the extension of a file name: WeChat names a file after its media id. */
  readonly mediaIds: readonly string[];
  /** sha256 >= from and < to, in the order of bytes. */
  readonly sha256?: { readonly from: string; readonly to: string };
  /** Every word must occur in search_text. Of single characters the index knows nothing. */
  readonly words: readonly string[];
  /** The pairs of characters of all words; never empty. */
  readonly bigrams: readonly number[];
}

/** Zero-width characters and direction marks, which a copied text may contain. The column search_text is without the same. */
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** As the column search_text: A to Z only, and without invisible characters. */
const searchable = (text: string): string =>
  text.replace(INVISIBLE, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The numbers of the SQL function bigrams. */
export function bigramsOf(text: string): number[] {
  const points = [...text].map((character) => character.codePointAt(0)!);
  return points.slice(1).map((second, index) => (points[index]! << 15) ^ second);
}

/** Returns undefined for a text without two characters beside each other, which would match nearly everything. */
export function parseSearch(query: string): Search | undefined {
  const whole = query.trim();
  const visible = whole.replace(INVISIBLE, '').trim();
  const words = [...new Set(searchable(whole).split(/\s+/u))].filter((word) => word !== '');
  const bigrams = [...new Set(words.flatMap(bigramsOf))];
  if (bigrams.length === 0) return undefined;
  const lower = visible.toLowerCase();
  const exact = [...new Set([whole, visible])];
  return {
    ...(ID_PATTERN.test(lower) ? { id: lower } : {}),
    exact,
    mediaIds: [...new Set([...exact, visible.replace(/\.[a-zA-Z0-9]{1,8}$/, '')])],
    // "g" is the byte after "f".
    ...(/^[0-9a-f]{6,64}$/.test(lower) ? { sha256: { from: lower, to: `${lower}g` } } : {}),
    words,
    bigrams,
  };
}

/**
 * True. With the usual 4 MB, a bitmap of the matches of a common word does not remember rows but pages, and every row of
 * those pages is compared with the words. The setting ends with the statement.
 */
export const MORE_MEMORY = `(SELECT set_config('work_mem', '32MB', true)) IS NOT NULL`;

/** The accounts as the indexes media_search and media_labels hold them. */
export const ofAccounts = (accounts: readonly string[], bind: Bind): string =>
  `ARRAY[account] && ${bind([...accounts])}::text[]`;

/** The condition that finds the rows of all words by the index media_search. */
export function wordsByIndex(
  { words, bigrams }: Search,
  accounts: readonly string[] | undefined,
  bind: Bind,
  schema: string,
): string {
  return [
    MORE_MEMORY,
    ...(accounts ? [ofAccounts(accounts, bind)] : []),
    // The planner uses a partial index only where its condition stands in the statement.
    'search_text IS NOT NULL',
    `${schema}.bigrams(search_text) @> ${bind([...bigrams])}::integer[]`,
    wordsByText({ words }, bind),
  ].join(' AND ');
}

/** The condition on the text alone: position() knows no wildcards. */
export function wordsByText({ words }: Pick<Search, 'words'>, bind: Bind): string {
  return words.map((word) => `position(${bind(word)}::text IN search_text) > 0`).join(' AND ');
}
