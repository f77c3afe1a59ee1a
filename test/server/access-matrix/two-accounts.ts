/** Two accounts, each with one of every resource; and fingerprints that show what a request changed. */
import type { Database } from '../../../src/catalogue/database/database.ts';
import { PLAIN, reference, SAFE, type TestServer } from '../setup.ts';
import type { Values } from './requests.ts';

const PICTURE = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };
const PERSON = { openId: 'o-of-the-shop', msgId: '22800264023876468' };

/** What belongs to the shop: the key of the school must never see any of it. */
export interface Shop extends Values {
  readonly secrets: readonly string[];
  readonly objectKey: string;
}

export async function fillShop(s: TestServer): Promise<Shop> {
  const endpoint = await s.json<{ id: string }>(
    '/v1/webhooks',
    {
      key: 'admin',
      json: {
        url: 'https://hook-of-the-shop.example.com/',
        description: 'webhook-of-the-shop',
        accounts: [PLAIN.account],
      },
    },
    201,
  );
  const given = reference({ ...PERSON, labels: { till: 'till-of-the-shop' } });
  const archived = await s.createArchived(given, { ...PICTURE, fileName: 'invoice-of-the-shop.jpg' });
  const other = reference({ ...PERSON, mediaId: 'dead-media-of-the-shop' });
  const dead = await s.createDead(other);
  const elsewhere = await s.createArchived(reference({ openId: 'o-of-an-erased-person' }), PICTURE);
  const admin = { key: 'admin' } as const;
  const erasure = await s.json<{ id: string }>('/v1/erasures', {
    ...admin,
    json: { account: PLAIN.account, ids: [elsewhere], reason: 'reason-of-the-shop' },
  });
  const redrive = await s.json<{ id: string }>(
    '/v1/redrives',
    { ...admin, json: { filter: { account: PLAIN.account, kind: 'image' }, reason: 'redrive-of-the-shop' } },
    202,
  );
  const verification = await s.json<{ id: string }>(
    '/v1/verifications',
    { ...admin, json: { sample: 1, filter: { account: PLAIN.account } } },
    202,
  );
  await s.json(`/v1/accounts/${PLAIN.account}/hold`, {
    ...admin,
    method: 'PUT',
    json: { reason: 'hold-of-the-shop' },
  });
  while ((await s.context.catalogue.events.sequence()).hasMore);
  await s.context.catalogue.webhooks.fanOut(s.context.clock.now());
  const name = s.context.accounts.find(PLAIN.account)?.name as string;
  const ids = [archived, dead, erasure.id, redrive.id, verification.id, endpoint.id];
  const { objectKey, sha256 } = (await s.context.catalogue.media.get(archived)) ?? {};
  return {
    accounts: [name, PLAIN.account, SAFE.account],
    ids,
    fields: {
      ...PERSON,
      kind: 'image',
      mediaId: given.mediaId,
      sha256,
      reason: 'a reason',
      include: 'link',
      ttl: '15m',
      url: 'https://example.com/hook',
      from: new Date(Date.now() - 3_600_000).toISOString(),
    },
    reference: {
      mediaId: 'a-new-media',
      kind: 'image',
      openId: 'o-new',
      msgId: '7',
      parentId: `m_${'0'.repeat(32)}`,
    },
    objectKey: objectKey as string,
    secrets: [
      PLAIN.account,
      name,
      ...ids,
      elsewhere,
      given.mediaId,
      other.mediaId,
      ...Object.values(PERSON),
      'till-of-the-shop',
      'invoice-of-the-shop',
      'o-of-an-erased-person',
      'reason-of-the-shop',
      'redrive-of-the-shop',
      'hold-of-the-shop',
      'hook-of-the-shop',
      'webhook-of-the-shop',
    ],
  };
}

/** Adds more of the same: it must not change what a key of the school sees. */
export async function growShop(s: TestServer): Promise<void> {
  await s.json(`/v1/accounts/${PLAIN.account}/hold`, { key: 'admin', method: 'DELETE' });
  await s.createArchived(reference(), PICTURE);
  await s.createDead(reference());
  await s.context.accept([reference()]);
  const filter = { account: PLAIN.account };
  await s.json('/v1/redrives', { key: 'admin', json: { filter } }, 202);
}

/** Adds one archived media item with another picture, and a dead one, to the school. Resolves with their ids. */
export async function fillSchool(s: TestServer): Promise<string[]> {
  const account = SAFE.account;
  const content = { ...PICTURE, body: Buffer.from('a picture of the school') };
  return [
    await s.createArchived(reference({ account }), content),
    await s.createDead(reference({ account })),
  ];
}

export interface Fingerprint {
  /** Of all rows, by table. */
  readonly all: Readonly<Record<string, string>>;
  /** Of the rows that contain one of the secrets, by table. */
  readonly theirs: Readonly<Record<string, string>>;
}

/**
 * A fingerprint that changes with any row of the schema, including tables of later migrations. Without the counts of
 * callbacks: those are open to all, and refused ones are counted. Without opened files: they are written later. Without events: they get their positions later, and the row that they are
 * about changes with them.
 */
export async function fingerprintDatabase(
  database: Pick<Database, 'query'>,
  secrets: readonly string[],
): Promise<Fingerprint> {
  const tables = await database.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'wma' AND c.relkind IN ('r', 'p') AND c.relname <> 'callback_count'
       AND c.relname NOT LIKE 'event%' ORDER BY 1`,
  );
  const of = (name: string, where: string) =>
    `SELECT '${name}' AS name, md5(string_agg(t::text, '' ORDER BY t::text)) AS mark
     FROM ${name.endsWith('audit_log') ? `(SELECT * FROM ${name} WHERE action <> 'open')` : name} t ${where}`;
  const marksOf = async (where: string) => {
    const all = tables.map(({ name }) => of(name, where)).join(' UNION ALL ');
    const patterns = where ? [secrets.map((secret) => `%${secret}%`)] : [];
    const marks = await database.query<{ name: string; mark: string }>(all, patterns);
    return Object.fromEntries(marks.map(({ name, mark }) => [name, mark]));
  };
  return { all: await marksOf(''), theirs: await marksOf('WHERE t::text LIKE ANY ($1::text[])') };
}
