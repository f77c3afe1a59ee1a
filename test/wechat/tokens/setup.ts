/** A token store, a store of secrets, a clock and the processes of a test. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { FailureError } from '../../../src/failures.ts';
import { createLifetimes } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import type { ManagedTokensOptions } from '../../../src/wechat/tokens/managed-tokens.ts';
import { createTokens, type StoredToken, type TokenStore } from '../../../src/wechat/tokens/tokens.ts';

export const NEVER = new AbortController().signal;
export const START = Date.parse('2026-01-01T00:00:00Z');

/** The store that processes share, with the semantics of the catalogue's rows. */
function memoryStore() {
  const rows = new Map<string, StoredToken>();
  const leases = new Map<string, { holder: string; until: Date }>();
  const store: TokenStore = {
    read: async (account) => {
      await setImmediate();
      return rows.get(account);
    },
    takeLease: async (account, holder, now, until) => {
      await setImmediate();
      const lease = leases.get(account);
      if (lease && lease.holder !== holder && lease.until > now) return false;
      leases.set(account, { holder, until });
      return true;
    },
    write: async (account, token, replaces) => {
      await setImmediate();
      if ((rows.get(account)?.fingerprint ?? null) !== replaces) return false;
      rows.set(account, token);
      leases.delete(account);
      return true;
    },
    dropLease: async (account, holder) => {
      if (leases.get(account)?.holder === holder) leases.delete(account);
    },
  };
  return { ...store, rows, leases };
}

function memorySecrets() {
  const values = new Map<string, string>();
  return {
    values,
    read: async (name: string) => values.get(name),
    write: async (name: string, encrypted: string) => void values.set(name, encrypted),
  };
}

/** As many processes as a test wants, which share a store and a clock that the test sets. */
export function setup(t: TestContext, baseUrl: string, more: { wecomBaseUrl?: string } = {}) {
  const time = { nowMs: START };
  const api = createWechatApi({ baseUrl, ...more });
  t.after(() => api.close());
  const store = memoryStore();
  const secrets = memorySecrets();
  const lines: string[] = [];
  const log = createLog({ level: 'debug', program: 'test', secrets: [], write: (line) => lines.push(line) });
  const clock = {
    now: () => new Date(time.nowMs),
    sleep: async (ms: number, signal?: AbortSignal) => {
      time.nowMs += ms;
      await setImmediate(undefined, signal ? { signal } : {});
    },
  };
  const lifetimes = createLifetimes({ mediaLifetimeMs: 1, timeScale: 1 });
  const process = (options: ManagedTokensOptions = {}) => {
    const tokens = createTokens({ api, store, secrets, clock, lifetimes, log }, options);
    t.after(() => tokens.close());
    return tokens;
  };
  return { time, store, secrets, lines, process };
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FailureError, String(error));
  return error.failure.code;
}
