/** Ceph's S3 service on one machine: a monitor, one store of objects in memory, radosgw. Starts in 10 to 20 s. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort, run } from './server.ts';

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Ceph {
  readonly endpoint: string;
  /** Makes a user; policies name it `arn:aws:iam:::user/{name}`. */
  user(name: string): Promise<Keys>;
  stop(): Promise<void>;
}

const LIMIT_MS = 90_000;
/** /usr/sbin is not on every user's PATH. */
const env = { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/usr/bin` };

const configOf = (folder: string, fsid: string, monitorPort: number) => `[global]
fsid = ${fsid}
mon host = v2:127.0.0.1:${monitorPort}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = ${folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data = ${folder}/mon
mon data avail warn = 1
mon data avail crit = 1
mon max pg per osd = 1000
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
run dir = ${folder}
admin socket =
log file = ${folder}/$name.log
pid file =
rgw dynamic resharding = false
`;

/** In an empty folder, whose path must be short: it holds sockets. */
export async function startCeph(folder: string): Promise<Ceph> {
  const [monitorPort, port] = [await freePort(), await freePort()];
  const fsid = randomUUID();
  const config = join(folder, 'ceph.conf');
  const keyring = join(folder, 'keyring');
  for (const name of ['mon', 'osd']) await mkdir(join(folder, name));
  await writeFile(config, configOf(folder, fsid, monitorPort));
  const children: ChildProcess[] = [];
  const end = async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }
  };
  const call = (program: string, ...args: string[]) =>
    run(program, args, { env: { ...env, CEPH_CONF: config }, timeout: LIMIT_MS });
  const start = (program: string, ...args: string[]) =>
    children.push(spawn(program, [...args, '-c', config, '-f'], { env, stdio: 'ignore' }));
  const key = (name: string, ...caps: string[]) =>
    call(
      'ceph-authtool',
      keyring,
      '--gen-key',
      '-n',
      name,
      ...caps.flatMap((cap) => ['--cap', cap, 'allow *']),
    );

  try {
    await call(
      'ceph-authtool',
      '--create-keyring',
      keyring,
      '--gen-key',
      '-n',
      'mon.',
      '--cap',
      'mon',
      'allow *',
    );
    await key('client.admin', 'mon', 'osd');
    await key('osd.0', 'mon', 'osd');
    const map = join(folder, 'monmap');
    await call('monmaptool', '--create', '--addv', 'a', `[v2:127.0.0.1:${monitorPort}]`, '--fsid', fsid, map);
    await call('ceph-mon', '--mkfs', '-i', 'a', '-c', config, '--monmap', map, '--keyring', keyring);
    start('ceph-mon', '-i', 'a');
    await call('ceph', 'osd', 'new', fsid, '0');
    await call('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', fsid, '-c', config);
    start('ceph-osd', '-i', '0');
    start('radosgw', '-n', 'client.admin', `--rgw_frontends=beast endpoint=127.0.0.1:${port}`);
    const endpoint = `http://127.0.0.1:${port}`;
    await until(() => fetch(endpoint).then(({ status }) => status === 200));
    return {
      endpoint,
      user: async (name) => {
        const keys = {
          accessKeyId: `AK${name.toUpperCase()}`,
          secretAccessKey: `secret-of-${name}-for-tests`,
        };
        await call(
          'radosgw-admin',
          ...['user', 'create', '--uid', name, '--display-name', name],
          ...['--access-key', keys.accessKeyId, '--secret', keys.secretAccessKey],
        );
        return keys;
      },
      stop: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`radosgw does not answer after ${LIMIT_MS} ms`);
    await wait(100);
  }
}
