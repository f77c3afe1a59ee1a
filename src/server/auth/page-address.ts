/** The address to which a sign-in or a form may lead. */

const ADDRESS_LIMIT = 2_000;
const BASE = 'http://dashboard.invalid';
/** Addresses that are not pages: leading a browser there after a sign-in would end a session or download a file. */
const NOT_PAGES = /^\/(login|logout|v1|wechat|dashboard|preferences)(\/|$)/;

/**
 * Returns the address if it is a page of this server; else `/`. It comes from a query or a form, so it may be an attempt
 * to lead the browser to another host (`//host`, `/\host`).
 */
export function pageAddress(address: string | undefined): string {
  if (address === undefined || address.length > ADDRESS_LIMIT || !/^\/(?![/\\])/.test(address)) return '/';
  if (!URL.canParse(address, BASE)) return '/';
  const url = new URL(address, BASE);
  if (url.origin !== BASE || NOT_PAGES.test(url.pathname)) return '/';
  return url.pathname + url.search;
}
