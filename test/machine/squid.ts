/** A squid of the test's own, with Debian's rules: CONNECT to the ports of https alone. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { KeyPair } from './certificates.ts';
import { createTestServer, freePort } from './server.ts';
import { programForTest } from './services.ts';

export interface Squid {
  /** http://127.0.0.1:… */
  readonly url: string;
  /** https://127.0.0.1:…; of no use without `certificate`. */
  readonly tlsUrl: string;
}

/** Undefined: there is no squid; the test is skipped and must return. */
export async function squidForTest(
  t: TestContext,
  options: {
    /** Beside 443. */
    tlsPorts?: readonly number[];
    /** Host → address, as the proxy resolves it. */
    hosts?: Readonly<Record<string, string>>;
    /** A user whom it asks for, with this password. */
    user?: { name: string; password: string };
    certificate?: KeyPair;
    /** Further lines, before the rules. */
    lines?: readonly string[];
  } = {},
): Promise<Squid | undefined> {
  const program = programForTest(t, 'squid');
  if (!program) return undefined;
  const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'squid-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const at = (name: string) => join(folder, name);
  const { tlsPorts = [], hosts = {}, user, certificate, lines = [] } = options;
  const [port, tlsPort] = [await freePort(), await freePort()];
  await writeFile(
    at('hosts'),
    Object.entries(hosts)
      .map(([host, address]) => `${address} ${host}\n`)
      .join(''),
  );
  const asks: string[] = [];
  if (user) {
    const { stdout } = await promisify(execFile)('openssl', ['passwd', '-apr1', user.password]);
    await writeFile(at('users'), `${user.name}:${stdout}`);
    asks.push(
      `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${at('users')}`,
      'acl known proxy_auth REQUIRED',
    );
  }
  const tls = certificate
    ? [`https_port 127.0.0.1:${tlsPort} tls-cert=${certificate.certFile} tls-key=${certificate.keyFile}`]
    : [];
  await writeFile(
    at('squid.conf'),
    [
      `http_port 127.0.0.1:${port}`,
      ...tls,
      `hosts_file ${at('hosts')}`,
      `pid_filename ${at('pid')}`,
      `cache_log ${at('log')}`,
      `coredump_dir ${folder}`,
      'cache deny all',
      'access_log none',
      'pinger_enable off',
      'shutdown_lifetime 0 seconds',
      'connect_timeout 3 seconds',
      'dns_nameservers 127.0.0.1',
      'dns_timeout 2 seconds',
      ...asks,
      ...lines,
      `acl SSL_ports port ${[443, ...tlsPorts].join(' ')}`,
      'http_access deny CONNECT !SSL_ports',
      user ? 'http_access allow known' : 'http_access allow all',
      'http_access deny all',
      '',
    ].join('\n'),
  );
  await chmod(folder, 0o777); // Started by root it works as another user.
  const url = `http://127.0.0.1:${port}`;
  // -N: one process; unnamed, so that several run side by side.
  const server = createTestServer(
    url,
    { program, args: ['-N', '-n', `t${port}`, '-f', at('squid.conf')] },
    () =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy()));
        socket.once('error', reject);
      }),
  );
  await server.start();
  t.after(() => server.kill());
  return { url, tlsUrl: `https://127.0.0.1:${tlsPort}` };
}
