/** An access token from a central token service: GET gives it, POST reports one that WeChat refused. */
import type { TokenSource } from '../../account.ts';
import { failure } from '../../failures.ts';
import { TLS_PLACES } from '../../tls-failures.ts';
import { createJsonClient } from '../http/json-client.ts';
import { type ExternalToken, parseExternalToken } from './parse-external-token.ts';

type HttpSource = Extract<TokenSource, { type: 'http' }>;

const WHERE = 'token service';
const TIMEOUT_MS = 5_000;

export function createHttpTokenSource() {
  // A service of one's own network: WECHAT_PROXY does not lead there.
  const http = createJsonClient({ timeoutMs: TIMEOUT_MS, tlsPlace: TLS_PLACES.tokens });
  const headersOf = ({ authorization }: HttpSource) => (authorization ? { authorization } : {});
  const never = new AbortController().signal;

  return {
    /** Rejects with `token_unavailable`; no error holds the URL. */
    read: async (source: HttpSource, now: Date): Promise<ExternalToken> => {
      const { status, text } = await http.send(
        { url: source.url, where: WHERE, headers: headersOf(source) },
        never,
      );
      if (status !== 200) throw failure('token_unavailable', `${WHERE}: HTTP ${status}`);
      const token = parseExternalToken(text, now, true);
      if (!token) throw failure('token_unavailable', `${WHERE}: no token in the answer`);
      return token;
    },
    /** Tells the service that this token was refused, so that it looks whether it is still the latest. */
    report: async (
      source: HttpSource,
      bad: { appId: string; accessToken: string },
      signal: AbortSignal,
    ): Promise<void> => {
      if (!source.reportUrl) return;
      const request = { url: source.reportUrl, where: WHERE, body: bad, headers: headersOf(source) };
      const { status } = await http.send(request, signal);
      if (status >= 300) throw failure('token_unavailable', `${WHERE}: HTTP ${status} to the report`);
    },
    close: http.close,
  };
}
