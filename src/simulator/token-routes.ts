/** The routes that give access tokens. */

import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessTokens, IssuedToken, Refusal, SimulatedAccount } from './access-tokens.ts';
import { errorBody, JSON_TYPE, sendText } from './answers.ts';
import type { Ledger } from './ledger.ts';

const BODY_BYTES_MAX = 4096;

/** A small body, or undefined where it is larger than anybody needs. */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The members of a JSON object, none of them believed; undefined where the text is no such thing. */
export function parseObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const isSame = (given: string, known: string): boolean =>
  Buffer.byteLength(given) === Buffer.byteLength(known) &&
  timingSafeEqual(Buffer.from(given), Buffer.from(known));

export interface TokenRoutes {
  /** GET /cgi-bin/token */
  classic(query: URLSearchParams, response: ServerResponse): void;
  /** POST /cgi-bin/stable_token */
  stable(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export function createTokenRoutes(options: {
  accounts: readonly SimulatedAccount[];
  tokens: Pick<AccessTokens, 'issueClassic' | 'issueStable'>;
  ledger: Pick<Ledger, 'count' | 'errcode'>;
}): TokenRoutes {
  const { accounts, tokens, ledger } = options;

  function answer(response: ServerResponse, result: IssuedToken | Refusal): void {
    ledger.count('tokensAsked');
    if ('errcode' in result) {
      ledger.count('tokensRefused');
      ledger.errcode(result.errcode);
      sendText(response, errorBody(result), JSON_TYPE);
      return;
    }
    const body = { access_token: result.accessToken, expires_in: result.expiresInSeconds };
    sendText(response, JSON.stringify(body), JSON_TYPE);
  }

  /** `wrongSecret` differs between the two endpoints. */
  function accountOf(appId: unknown, secret: unknown, wrongSecret: Refusal): SimulatedAccount | Refusal {
    if (!appId) return { errcode: 41002, errmsg: 'appid missing' };
    const account = accounts.find((candidate) => candidate.appId === appId);
    if (!account) return { errcode: 40013, errmsg: 'invalid appid' };
    if (typeof secret !== 'string' || !secret) return { errcode: 41004, errmsg: 'appsecret missing' };
    return isSame(secret, account.secret) ? account : wrongSecret;
  }

  return {
    classic: (query, response) => {
      if (query.get('grant_type') !== 'client_credential')
        return answer(response, { errcode: 40002, errmsg: 'invalid grant_type' });
      const account = accountOf(query.get('appid'), query.get('secret'), {
        errcode: 40001,
        errmsg: 'invalid credential, invalid appsecret',
      });
      answer(response, 'errcode' in account ? account : tokens.issueClassic(account));
    },
    stable: async (request, response) => {
      if (request.method !== 'POST')
        return answer(response, { errcode: 43002, errmsg: 'require POST method' });
      const body = parseObject(await readBody(request));
      if (!body) return answer(response, { errcode: 47001, errmsg: 'data format error' });
      const { grant_type, appid, secret, force_refresh } = body;
      if (grant_type !== 'client_credential')
        return answer(response, { errcode: 40002, errmsg: 'invalid grant_type' });
      const account = accountOf(appid, secret, { errcode: 40125, errmsg: 'invalid appsecret' });
      answer(response, 'errcode' in account ? account : tokens.issueStable(account, force_refresh === true));
    },
  };
}
