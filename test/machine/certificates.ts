/** An authority and certificates of it, made by openssl: good ones, and one for each way to be bad. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { programForTest } from './services.ts';

const run = promisify(execFile);
const DAY_MS = 86_400_000;

export interface KeyPair {
  readonly key: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly certFile: string;
}

export interface Certificates {
  /** The authority's own certificate. */
  readonly authority: string;
  readonly authorityFile: string;
  /** For 127.0.0.1, localhost and *.test. */
  readonly good: KeyPair;
  readonly expired: KeyPair;
  readonly notYetValid: KeyPair;
  /** For elsewhere.test alone. */
  readonly otherHost: KeyPair;
  readonly selfSigned: KeyPair;
}

const HERE = 'DNS:localhost,DNS:*.test,DNS:*.weixin.qq.com,IP:127.0.0.1';
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Undefined: there is no openssl; the test is skipped and must return. */
export async function certificatesForTest(
  t: Pick<TestContext, 'after' | 'skip'>,
): Promise<Certificates | undefined> {
  const openssl = programForTest(t, 'openssl');
  if (!openssl) return undefined;
  const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'certificates-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const at = (name: string) => join(folder, name);
  const pairOf = async (name: string): Promise<KeyPair> => {
    const [keyFile, certFile] = [at(`${name}.key`), at(`${name}.pem`)];
    return {
      keyFile,
      certFile,
      key: await readFile(keyFile, 'utf8'),
      cert: await readFile(certFile, 'utf8'),
    };
  };
  const selfSign = async (name: string, subject: string) => {
    const out = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    await run(openssl, [
      'req',
      '-x509',
      ...NEW_KEY,
      ...out,
      '-subj',
      `/CN=${subject}`,
      '-days',
      '30',
      ...extensions(name),
    ]);
    return await pairOf(name);
  };
  const extensions = (name: string) => (name === 'authority' ? [] : ['-addext', `subjectAltName=${HERE}`]);

  const authority = await selfSign('authority', 'Test authority');
  await writeFile(at('index'), '');
  await writeFile(
    at('ca.cnf'),
    `[ca]\ndefault_ca=x\n[x]\ndatabase=${at('index')}\nnew_certs_dir=${folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n`,
  );
  const sign = async (name: string, names: string, fromMs: number, toMs: number): Promise<KeyPair> => {
    const day = (ms: number) =>
      new Date(Date.now() + ms)
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, '')
        .slice(2);
    const csr = at(`${name}.csr`);
    await run(openssl, [
      'req',
      '-new',
      ...NEW_KEY,
      '-keyout',
      at(`${name}.key`),
      '-out',
      csr,
      '-subj',
      `/CN=${name}.test`,
    ]);
    await writeFile(at(`${name}.ext`), `subjectAltName=${names}\n`);
    const span = ['-startdate', day(fromMs), '-enddate', day(toMs)];
    const by = ['-cert', authority.certFile, '-keyfile', authority.keyFile, '-config', at('ca.cnf')];
    const out = ['-in', csr, '-out', at(`${name}.pem`), '-extfile', at(`${name}.ext`)];
    await run(openssl, ['ca', '-batch', '-notext', ...by, ...span, ...out]);
    return await pairOf(name);
  };
  return {
    authority: authority.cert,
    authorityFile: authority.certFile,
    good: await sign('good', HERE, -DAY_MS, 20 * DAY_MS),
    expired: await sign('expired', HERE, -9 * DAY_MS, -2 * DAY_MS),
    notYetValid: await sign('not-yet-valid', HERE, 2 * DAY_MS, 20 * DAY_MS),
    otherHost: await sign('other-host', 'DNS:elsewhere.test', -DAY_MS, 20 * DAY_MS),
    selfSigned: await selfSign('self-signed', 'alone.test'),
  };
}
