/** Addresses with a query: what a page shows stands in its URL. */

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Returns the parameters of an address. */
export const queryOf = (address: string): URLSearchParams => new URLSearchParams(address.split('?')[1] ?? '');

/** Returns path and query. Empty values are left out, so that a form's empty fields leave no trace in an address. */
export function addressOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== '') parameters.append(name, String(one));
    }
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}
