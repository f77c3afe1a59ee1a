/** Reads an access token from a central token service by GET, and reports a refused one by POST. */
import type { TokenSource } from '../../account.ts';
import { failure } from '../../failures.ts';
import { TLS_PLACES } from '../../tls-failures.ts';
import { createJsonClient } from '../http/json-client.ts';
import { type ExternalToken, parseExternalToken } from './parse-external-token.ts';

type HttpSource = Extract<TokenSource, { type: 'http' }>;

const WHERE = 'token service';
const TIMEOUT_MS = 5_000;

export function createHttpTokenSource() {
  // The service is in the operator's own network: WECHAT_PROXY is not used for it.
  const http = createJsonClient({ timeoutMs: TIMEOUT_MS, tlsPlace: TLS_PLACES.tokens });
  const headersOf = ({ authorization }: HttpSource) => (authorization ? { authorization } : {});
  const never = new AbortController().signal;

  return {
    /** Rejects with `token_unavailable`, or a failure of the connection. No error contains the URL. */
    read: async (source: HttpSource, now: Date): Promise<ExternalToken> => {
      const { status, text } = await http.send(
        { url: source.url, where: WHERE, headers: headersOf(source) },
        never,
      );
      if (status !== 200) throw failure('token_unavailable', `${WHERE}: HTTP ${status}`);
      const token = parseExternalToken(text, now, true);
      if (!token) throw failure('token_unavailable', `${WHERE}: no token in the response`);
      return token;
    },
    /** Reports to the service that WeChat refused this token, so that it can replace it. */
    report: async (
      source: HttpSource,
      bad: { appId: string; accessToken: string },
      signal: AbortSignal,
    ): Promise<void> => {
      if (!source.reportUrl) return;
      const request = { url: source.reportUrl, where: WHERE, body: bad, headers: headersOf(source) };
      const { status } = await http.send(request, signal);
      if (status >= 300) throw failure('token_unavailable', `${WHERE}: HTTP ${status} for the report`);
    },
    close: http.close,
  };
}
