/** Lists of media items, page by page. */
import type { Media, MediaFilter, MediaPage } from './api-types.ts';
import { callJson } from './call.ts';
import { type CallOptions, misused, type Settings } from './options.ts';
import type { Query } from './response.ts';

/** `for await (const media of list)` reads all pages, one at a time. */
export interface MediaList extends AsyncIterable<Media> {
  /** The pages. `nextCursor` of the last one that was read continues the list later: `list({ …filter, cursor })`. */
  pages(): AsyncIterable<MediaPage>;
}

export function listMedia(settings: Settings, filter: MediaFilter, options: CallOptions): MediaList {
  const query = queryOf(filter);

  async function* pages(): AsyncGenerator<MediaPage, void> {
    let cursor = filter.cursor;
    for (;;) {
      const request = { method: 'GET', path: '/v1/media', query: { ...query, cursor } } as const;
      const page = await callJson<MediaPage>(settings, request, options);
      yield page;
      // A list in the order of changes has no last page: its cursor waits for what changes next.
      if (page.nextCursor === null || page.items.length === 0) return;
      cursor = page.nextCursor;
    }
  }

  return {
    pages,
    [Symbol.asyncIterator]: async function* () {
      for await (const page of pages()) yield* page.items;
    },
  };
}

/** Returns the parameters of a list. Throws for a value that cannot be one: an empty array would match everything. */
function queryOf({ labels = {}, include, ...filter }: MediaFilter): Query {
  const query: Record<string, string | number | readonly (string | number)[] | undefined> = {};
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined) continue;
    if (value instanceof Date) query[name] = timeOf(name, value);
    else if (Array.isArray(value) && value.length === 0)
      throw misused(`${name} must not be empty: leave it out for all`);
    else query[name] = value as string | number | readonly string[];
  }
  for (const [name, value] of Object.entries(labels)) query[`label.${name}`] = value;
  if (include !== undefined) query.include = [include].flat().join(',');
  return query;
}

export function timeOf(name: string, date: Date): string {
  if (Number.isNaN(date.getTime())) throw misused(`${name} is an invalid Date`);
  return date.toISOString();
}
