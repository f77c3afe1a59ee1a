/**
 * Every route and page with every kind of key. The requests are generated from the OpenAPI document and Fastify's tree,
 * so a new route is tested without being added here.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { listRoutes } from '../route-list.ts';
import { KEYS, openTestServer, PLAIN, SAFE, type TestServer } from '../setup.ts';
import { type ApiRequest, type OpenApi, pageRequestsOf, requestsOf } from './requests.ts';
import { fillSchool, fillShop, fingerprintDatabase, growShop, type Shop } from './two-accounts.ts';

type Scope = 'read' | 'write' | 'admin';
interface Client {
  readonly name: string;
  readonly scope?: Scope;
  readonly key?: keyof typeof KEYS;
  /** Uses a session cookie, got by signing in with its key. */
  readonly isSession?: true;
  readonly isBound: boolean;
}

interface Received {
  readonly status: number;
  readonly body: string;
  readonly headers: string;
}

const SCOPES: readonly Scope[] = ['read', 'write', 'admin'];
const ADMIN: Client = { name: 'an admin key', scope: 'admin', key: 'admin', isBound: false };
const CLIENTS: readonly Client[] = [
  { name: 'a client without a key', isBound: false },
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

/** Pages that ask before something is done: who may not do it gets no question. */
const QUESTIONS =
  /^\/(redrive|erase|accounts\/\{account\}\/hold|media\/\{id\}\/erase|webhooks\/(new|\{id\}\/(change|delete)))$/;

/**
 * The rule of scopes: every GET is read, and so are links and exports, which hand out files; POST of media and retry is
 * write; the rest, questions before that, and the queue's pages, are admin. A form of a page has the scope of what it
 * does.
 */
function scopeOf(method: string, route: string): Scope | 'open' {
  if (/^\/(wechat\/|livez$|readyz$|login|logout|preferences$|docs\/problems$)/.test(route)) return 'open';
  if (/^\/(queues|v1\/settings)/.test(route)) return 'admin';
  if (method === 'GET') return QUESTIONS.test(route) ? 'admin' : 'read';
  if (/^(\/v1)?\/(media\/\{id\}\/links|exports?)$/.test(route)) return 'read';
  return /^(\/v1\/media(\/batch)?|(\/v1)?\/media\/\{id\}\/retry)$/.test(route) && method === 'POST'
    ? 'write'
    : 'admin';
}
/** Routes that concern all accounts: refused to a key that is bound to some of them. */
const SHARED = /^\/(metrics|queues|v1\/(alerts\/test|doctor|moves|processes|settings|store|verifications))/;
const isShared = ({ route, description }: ApiRequest) =>
  SHARED.test(route) || description.includes('requires a key for all accounts');

/** `bad_signature`: the counter of callbacks writes its counts up to two seconds later. */
const VOLATILE = /"(\w*Seconds|archivedPerMinute|url|expiresAt|bad_signature)":("[^"]*"|-?[\d.]+)/g;

/** The ends of the period of the history, and its steps without activity: they go on with the time. */
const PASSING =
  /"(from|to)":"[^"]*",|\{"at":"[^"]*","received":0,"archived":0,"dead":0,"expired":0,"bytes":0,"backlog":\d+\},?/g;

describe('the access matrix of routes and keys', { timeout: 240_000 }, () => {
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
      .flatMap((route) => pageRequestsOf(route, shop));
    const files = [
      '/queues/static/x.js',
      '/docs/static/x.js',
      '/dashboard/browser/main.js',
      '/dashboard/styles/layout.css',
    ];
    const statics = files.map((path) => ({ method: 'GET', route: path, path, description: '' }));
    const all = [...requestsOf(document, shop), ...pages, ...statics];
    // Last, because it ends the session.
    requests = [
      ...all.filter(({ route }) => route !== '/logout'),
      ...all.filter(({ route }) => route === '/logout'),
    ];
    assert.ok(described.size >= 26 && pages.length >= 8, `${described.size} and ${pages.length}`);
    cookie = await signIn('schoolAdmin');
  });
  after(() => s.close());

  async function signIn(key: keyof typeof KEYS): Promise<string> {
    const response = await s.call('/login', {
      body: new URLSearchParams({ key: KEYS[key] }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    return response.headers.getSetCookie()[0]?.split(';')[0] as string;
  }

  async function send(who: Client, request: ApiRequest): Promise<Received> {
    const { method, path, json, form } = request;
    const response = await s.call(path, {
      method,
      ...(who.isSession ? {} : { key: who.key }),
      ...(json === undefined ? {} : { json }),
      ...(form === undefined ? {} : { body: new URLSearchParams(form).toString() }),
      headers: {
        ...(who.isSession ? { cookie, origin: s.url } : {}),
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    });
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    // The stream of hints, which holds no data, has no end.
    if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
      await response.body?.cancel();
      return { status: response.status, body: '', headers };
    }
    const body = await response.text();
    // On a busy machine the event loop may be so late that requests are refused.
    if (response.status === 503 && body.includes('"overloaded"')) {
      await wait(100);
      return await send(who, request);
    }
    return { status: response.status, body, headers };
  }

  const titleOf = (who: Client, { method, path, json, form }: ApiRequest) =>
    `${who.name}: ${method} ${path} ${JSON.stringify(json ?? form ?? '')}`;

  /** The secrets of the shop in a response; without those that the client sent itself. */
  function leakedSecrets(request: ApiRequest, response: Received): string[] {
    const sent = decodeURIComponent(request.path) + JSON.stringify(request.json ?? request.form ?? '');
    const received = `${response.headers}\n${response.body}`;
    return shop.secrets.filter((secret) => received.includes(secret) && !sent.includes(secret));
  }

  /** Asserts that the status is the one that the rule of scopes gives this key. */
  function assertStatus(who: Client, request: ApiRequest, status: number): void {
    const wanted = scopeOf(request.method, request.route);
    if (wanted === 'open') return;
    const hasScope = who.scope && SCOPES.indexOf(who.scope) >= SCOPES.indexOf(wanted);
    // The path names something of the shop.
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

  for (const who of CLIENTS) {
    it(`gives ${who.name} only what its scope and its accounts allow`, async () => {
      const maySeeShop = who.scope !== undefined && !who.isBound;
      // What an unbound key may do is tested with the admin key, last of all.
      const isRefused = ({ method, route }: ApiRequest) => {
        const wanted = scopeOf(method, route);
        return wanted !== 'open' && !(who.scope && SCOPES.indexOf(who.scope) >= SCOPES.indexOf(wanted));
      };
      const sent = requests.filter((one) => one.method === 'GET' || !maySeeShop || isRefused(one));
      assert.ok(sent.length > 50);
      let before = await fingerprintDatabase(s.context.database, shop.secrets);
      for (const [operation, all] of Map.groupBy(sent, ({ method, route }) => `${method} ${route}`)) {
        for (const request of all) {
          const response = await send(who, request);
          assertStatus(who, request, response.status);
          assert.ok(response.status < 500, `${titleOf(who, request)}: ${response.status} ${response.body}`);
          if (!maySeeShop) assert.deepEqual(leakedSecrets(request, response), [], titleOf(who, request));
        }
        if (operation.startsWith('GET')) continue;
        const now = await fingerprintDatabase(s.context.database, shop.secrets);
        assert.deepEqual(
          now.theirs,
          before.theirs,
          `${who.name} has changed rows of the shop by ${operation}`,
        );
        if (!who.isBound)
          assert.deepEqual(now.all, before.all, `${who.name} has changed rows by ${operation}`);
        before = now;
      }
      // Runs the redrives it created, as a worker would do later.
      const { redrives } = s.context.catalogue;
      for (const { id, nextPageAt } of await redrives.listRunning(100))
        if (!shop.ids.includes(id)) await redrives.runPage(id, nextPageAt);
      const later = await fingerprintDatabase(s.context.database, shop.secrets);
      assert.deepEqual(later.theirs, before.theirs, `${who.name} has redriven items of the shop`);
      const head = await s.context.store.head(shop.objectKey, AbortSignal.timeout(10_000));
      assert.ok(head, 'the object of the shop exists');
    });
  }

  it('shows a key of another account the same after changes in the shop', async () => {
    const bound = CLIENTS.find(({ key }) => key === 'schoolRead') as Client;
    const read = async () => {
      const shown = new Map<string, string>();
      for (const request of requests) {
        if (request.method !== 'GET' || scopeOf('GET', request.route) === 'open') continue;
        const { status, body } = await send(bound, request);
        // The cursor of the feed moves past the events of all accounts.
        const compared = request.route === '/v1/events' ? body.replace(/"nextCursor":"[^"]*"/, '') : body;
        shown.set(request.path, `${status} ${compared.replaceAll(VOLATILE, '').replaceAll(PASSING, '')}`);
      }
      return shown;
    };
    // The events of the tests before get their positions in the background.
    while ((await s.context.catalogue.events.sequence()).hasMore);
    // The page counts what was archived in the last minute, which must not end between the two readings.
    await s.context.database.query(`UPDATE wma.media SET archived_at = archived_at - interval '10 minutes'`);
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

  it('lets an admin key do everything, so that the refusals above are meaningful', async () => {
    const orderOf = ({ method, route }: ApiRequest) =>
      method === 'DELETE' ? 2 : /erasures/.test(route) ? 1 : 0;
    const done = new Map<string, number[]>();
    const described = requests.filter(
      ({ description, route }) => description && !route.startsWith('/wechat'),
    );
    for (const request of described.toSorted((a, b) => orderOf(a) - orderOf(b))) {
      const { status } = await send(ADMIN, request);
      assertStatus(ADMIN, request, status);
      const operation = `${request.method} ${request.route}`;
      done.set(operation, [...(done.get(operation) ?? []), status]);
    }
    // 409: no address for alerts is configured.
    const never = [...done].filter(([, all]) => !all.some((status) => status < 400 || status === 409));
    assert.deepEqual(never, [], 'requests.ts generates no valid request for these');
  });
});
