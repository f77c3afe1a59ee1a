/**
 * Every route and page by every kind of key. The requests come from the OpenAPI document and from Fastify's tree, so a
 * new route is tried without being added here.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listRoutes } from '../route-list.ts';
import { KEYS, openTestServer, PLAIN, SAFE, type TestServer } from '../setup.ts';
import { type ApiRequest, type OpenApi, requestsOf } from './requests.ts';
import { fillSchool, fillShop, fingerprintDatabase, growShop, type Shop } from './two-accounts.ts';

type Scope = 'read' | 'write' | 'admin';
interface Who {
  readonly name: string;
  readonly scope?: Scope;
  readonly key?: keyof typeof KEYS;
  /** Signed in by its key: the cookie of a browser stands for it. */
  readonly isSession?: true;
  readonly isBound: boolean;
}

const SCOPES: readonly Scope[] = ['read', 'write', 'admin'];
const ADMIN: Who = { name: 'an admin key', scope: 'admin', key: 'admin', isBound: false };
const WHO: readonly Who[] = [
  { name: 'nobody', isBound: false },
  { name: 'a read key', scope: 'read', key: 'read', isBound: false },
  { name: 'a write key', scope: 'write', key: 'write', isBound: false },
  { name: 'a read key of another account', scope: 'read', key: 'schoolRead', isBound: true },
  { name: 'a write key of another account', scope: 'write', key: 'school', isBound: true },
  { name: 'an admin key of another account', scope: 'admin', key: 'schoolAdmin', isBound: true },
  {
    name: 'a session of an admin key of another account',
    scope: 'admin',
    key: 'schoolAdmin',
    isSession: true,
    isBound: true,
  },
];

/** design: all GET are read; POST media and retry are write; the rest, and the queue's pages, are admin. */
function scopeOf(method: string, route: string): Scope | 'open' {
  if (/^\/(wechat\/|livez$|readyz$|login|logout|$)/.test(route)) return 'open';
  if (route.startsWith('/queues')) return 'admin';
  if (method === 'GET') return 'read';
  return /^\/v1\/media(\/batch|\/\{id\}\/(retry|links))?$/.test(route) && method === 'POST'
    ? 'write'
    : 'admin';
}
/** What all accounts share is refused to a key that is bound to some of them. */
const SHARED = /^\/(metrics|queues|v1\/(alerts|doctor|moves|settings|store|verifications))/;
const isShared = ({ route, description }: ApiRequest) =>
  SHARED.test(route) || description.includes('of a key for all accounts');

const VOLATILE = /"(\w*Seconds|archivedPerMinute|url|expiresAt)":("[^"]*"|-?[\d.]+)/g;

describe('the matrix of routes and keys', { timeout: 240_000 }, () => {
  let s: TestServer;
  let shop: Shop;
  let school: string[];
  let requests: ApiRequest[];
  let cookie: string;
  before(async () => {
    s = await openTestServer({ accounts: [{ ...PLAIN, name: 'corner-shop' }, SAFE] });
    shop = await fillShop(s);
    school = await fillSchool(s);
    const document = await s.json<OpenApi>('/openapi.json', { key: 'read' });
    const described = new Set(requestsOf(document, shop).map(({ method, route }) => `${method} ${route}`));
    const pages = (await listRoutes(s))
      .filter((route) => !described.has(route))
      .map((route) => {
        const [method = '', path = ''] = route.split(' ');
        const filled = path.replaceAll(/\{\w+\}/g, 'wma-archive');
        return { method, route: path, path: filled, description: '' };
      });
    const files = ['/queues/static/x.js', '/docs/static/x.js', '/dashboard/page.js', '/dashboard/texts.js'];
    const statics = files.map((path) => ({ method: 'GET', route: path, path, description: '' }));
    const all = [...requestsOf(document, shop), ...pages, ...statics];
    // A session that has logged out is nobody: that comes last.
    requests = [
      ...all.filter(({ route }) => route !== '/logout'),
      ...all.filter(({ route }) => route === '/logout'),
    ];
    assert.ok(described.size >= 26 && pages.length >= 8, `${described.size} and ${pages.length}`);
    cookie = await signIn('schoolAdmin');
  });
  after(() => s.close());

  async function signIn(key: keyof typeof KEYS): Promise<string> {
    const answer = await s.call('/login', {
      body: new URLSearchParams({ key: KEYS[key] }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    return answer.headers.getSetCookie()[0]?.split(';')[0] as string;
  }

  async function send(who: Who, { method, path, json }: ApiRequest) {
    const answer = await s.call(path, {
      method,
      ...(who.isSession ? {} : { key: who.key }),
      ...(json === undefined ? {} : { json }),
      headers: who.isSession ? { cookie, origin: s.url } : {},
    });
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    return { status: answer.status, body: await answer.text(), headers };
  }

  const titleOf = (who: Who, { method, path, json }: ApiRequest) =>
    `${who.name}: ${method} ${path} ${json === undefined ? '' : JSON.stringify(json)}`;

  /** Of the shop, in an answer to somebody who may not know it; what he sent himself is no news to him. */
  function leaks(request: ApiRequest, answer: { body: string; headers: string }): string[] {
    const sent = decodeURIComponent(request.path) + JSON.stringify(request.json ?? '');
    const said = `${answer.headers}\n${answer.body}`;
    return shop.secrets.filter((secret) => said.includes(secret) && !sent.includes(secret));
  }

  /** Whether the status is the one that the design gives this key. */
  function check(who: Who, request: ApiRequest, status: number): void {
    const wanted = scopeOf(request.method, request.route);
    if (wanted === 'open') return;
    const hasScope = who.scope && SCOPES.indexOf(who.scope) >= SCOPES.indexOf(wanted);
    // A part of the path names what is the shop's.
    const parts = request.path.split('?')[0]?.split('/') ?? [];
    const isOfShop = [...shop.ids, ...shop.accounts.slice(0, 2)].some((word) => parts.includes(word));
    const isFine = !who.scope
      ? status === 401
      : !hasScope || (who.isBound && isShared(request))
        ? status === 403
        : who.isBound && isOfShop
          ? status === 400 || status === 403 || status === 404
          : status !== 401 && (who.isBound || status !== 403);
    assert.ok(isFine, `${titleOf(who, request)}: ${status}`);
  }

  for (const who of WHO) {
    it(`shows nothing to ${who.name} and lets nothing be done beyond its scope and its accounts`, async () => {
      const mayKnow = who.scope !== undefined && !who.isBound;
      // What an unbound key may do is done by the admin key, last of all.
      const isRefused = ({ method, route }: ApiRequest) => {
        const wanted = scopeOf(method, route);
        return wanted !== 'open' && !(who.scope && SCOPES.indexOf(who.scope) >= SCOPES.indexOf(wanted));
      };
      const tried = requests.filter((one) => one.method === 'GET' || !mayKnow || isRefused(one));
      assert.ok(tried.length > 50);
      let mark = await fingerprintDatabase(s.context.database, shop.secrets);
      for (const [operation, all] of Map.groupBy(tried, ({ method, route }) => `${method} ${route}`)) {
        for (const request of all) {
          const answer = await send(who, request);
          check(who, request, answer.status);
          assert.ok(answer.status < 500, `${titleOf(who, request)}: ${answer.status} ${answer.body}`);
          if (!mayKnow) assert.deepEqual(leaks(request, answer), [], titleOf(who, request));
        }
        if (operation.startsWith('GET')) continue;
        const now = await fingerprintDatabase(s.context.database, shop.secrets);
        assert.deepEqual(now.theirs, mark.theirs, `${who.name} has changed rows of the shop by ${operation}`);
        if (!who.isBound) assert.deepEqual(now.all, mark.all, `${who.name} has changed rows by ${operation}`);
        mark = now;
      }
      // What it has asked for and a worker would do later.
      const { redrives } = s.context.catalogue;
      for (const { id, nextPageAt } of await redrives.listRunning(100))
        if (!shop.ids.includes(id)) await redrives.runPage(id, nextPageAt);
      const later = await fingerprintDatabase(s.context.database, shop.secrets);
      assert.deepEqual(later.theirs, mark.theirs, `${who.name} has redriven what is of the shop`);
      const head = await s.context.store.head(shop.objectKey, AbortSignal.timeout(10_000));
      assert.ok(head, 'the file of the shop is there');
    });
  }

  it('shows a key of another account the same whatever becomes of the shop', async () => {
    const bound = WHO.find(({ key }) => key === 'schoolRead') as Who;
    const read = async () => {
      const shown = new Map<string, string>();
      for (const request of requests) {
        if (request.method !== 'GET' || scopeOf('GET', request.route) === 'open') continue;
        const { status, body } = await send(bound, request);
        shown.set(request.path, `${status} ${body.replaceAll(VOLATILE, '')}`);
      }
      return shown;
    };
    const first = await read();
    const list = first.get('/v1/media') ?? '';
    assert.ok(
      school.every((id) => list.includes(id)),
      list,
    );
    await growShop(s);
    const second = await read();
    for (const [path, body] of first) assert.equal(second.get(path), body, path);
  });

  it('lets an admin key do each of these things, so that each refusal above was of something', async () => {
    const last = ({ method, route }: ApiRequest) =>
      method === 'DELETE' ? 2 : /erasures/.test(route) ? 1 : 0;
    const done = new Map<string, number[]>();
    const described = requests.filter(
      ({ description, route }) => description && !route.startsWith('/wechat'),
    );
    for (const request of described.toSorted((a, b) => last(a) - last(b))) {
      const { status } = await send(ADMIN, request);
      check(ADMIN, request, status);
      const operation = `${request.method} ${request.route}`;
      done.set(operation, [...(done.get(operation) ?? []), status]);
    }
    // 409: there is nobody to send a test alert to.
    const never = [...done].filter(([, all]) => !all.some((status) => status < 400 || status === 409));
    assert.deepEqual(never, [], 'matrix/requests.ts makes no good request for these');
  });
});
