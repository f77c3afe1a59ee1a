/** The secrets in an address to which messages are sent. */
import { passwordsOf } from './environment.ts';

/** Returns the secrets of an ALERT_URL or a WEBHOOK_URL. Chat robots have their key in a parameter, in the path, or after the #. */
export function secretsOfUrl(url: string): string[] {
  const { pathname, searchParams } = new URL(url);
  const parts = [...searchParams.values(), ...pathname.split('/'), ...url.split('#').slice(1)];
  return [url, ...passwordsOf(url), ...parts.filter((part) => part.length >= 16)];
}
