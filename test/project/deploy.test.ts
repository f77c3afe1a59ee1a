/** The samples people deploy with: what they start exists, what they set is read, and nothing is open that need not be. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { parse } from 'yaml';
import { VARIABLES, type Variable } from '../../src/config/schema.ts';
import { freePort } from '../machine/server.ts';
import { startHttpServer } from '../wechat/servers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Service {
  image?: string;
  build?: string;
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, unknown>;
  healthcheck?: { test?: string[]; disable?: boolean };
  ports?: string[];
  networks?: string[];
  restart?: string;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  deploy?: { resources?: { limits?: { memory?: string } } };
}
interface Compose {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean }>;
  volumes: Record<string, unknown>;
}

const compose: Compose = parse(read('docker-compose.yml'), { merge: true });
const services = Object.entries(compose.services);
const service = (name: string): Service => {
  const found = compose.services[name];
  assert.ok(found, `there is a service ${name}`);
  return found;
};
const PROGRAMS = ['server', 'worker', 'sweeper'];
/** What the file does not pass on, and why. */
const NOT_PASSED: Readonly<Record<string, string>> = {
  DATA_DIR: 'of the image',
  ALLOW_EMBEDDED: 'nothing is embedded here',
  DATABASE_SCHEMA: 'the database is its own',
  QUEUE_PREFIX: 'the Redis is its own',
  DATABASE_CA_FILE: 'inside the network of the containers there is no TLS',
  REDIS_CA_FILE: 'as DATABASE_CA_FILE',
  MEDIA_LIFETIME: "WeChat's, and for tests",
  TIME_SCALE: 'for tests',
  SHUTDOWN_GRACE: 'stop_grace_period has to grow with it',
  WMA_URL: 'the command line finds the server beside it',
  WMA_API_KEY: 'the command line finds API_KEYS',
};
/** Version 2 alone: docker-compose 1.29 of Debian reads an older language, and its result means nothing. */
const composeClient = [['docker', 'compose']].find(
  ([program, ...args]) => spawnSync(program!, [...args, 'version'], { timeout: 20_000 }).status === 0,
);

/** `${NAME:-default}` and its kin, filled in as Compose would. */
const fill = (text: unknown, environment: Record<string, string>) =>
  String(text ?? '').replaceAll(/\$\{(\w+)(?:(:?)([-?])([^}]*))?\}/g, (_all, name, colon, kind, word) => {
    const value = environment[name];
    const isSet = value !== undefined && !(colon === ':' && value === '');
    return isSet ? value : kind === '-' ? word : '';
  });

describe('docker-compose.yml', () => {
  test('starts programs that are there', () => {
    for (const name of PROGRAMS) {
      const [node, file] = service(name).command ?? [];
      assert.equal(node, 'node', name);
      assert.ok(file && existsSync(join(ROOT, file)), `${name}: ${file}`);
    }
  });

  test('gives the programs only variables they read, and what all of them need', () => {
    for (const name of PROGRAMS) {
      const given = Object.keys(service(name).environment ?? {});
      assert.deepEqual(
        given.filter((variable) => !(variable in VARIABLES)),
        [],
        name,
      );
      const needed = 'NODE_ENV DATABASE_URL REDIS_URL S3_BUCKET S3_ENDPOINT API_KEYS WECHAT_APP_ID'.split(
        ' ',
      );
      assert.deepEqual(
        needed.filter((variable) => !given.includes(variable)),
        [],
        name,
      );
    }
  });

  test('passes on every variable that the programs read, but for those it decides itself', () => {
    const given = new Set(PROGRAMS.flatMap((name) => Object.keys(service(name).environment ?? {})));
    const missing = Object.entries<Variable>(VARIABLES).filter(
      ([name, { foreign }]) => !foreign && !given.has(name),
    );
    assert.deepEqual(
      missing.map(([name]) => name).filter((name) => !(name in NOT_PASSED)),
      [],
    );
    // What workers and sweepers read beside the server must not be the server's alone.
    for (const name of ['worker', 'sweeper'])
      for (const variable of [
        'ALERT_URL',
        'PUBLIC_URL',
        'RETENTION',
        'ACCOUNTS_FILE',
        'WORKER_CONCURRENCY',
        'METRICS_PORT',
      ])
        assert.ok(variable in (service(name).environment ?? {}), `${name} ${variable}`);
    const needless = Object.keys(NOT_PASSED).filter((name) => given.has(name) || !(name in VARIABLES));
    assert.deepEqual(needless, []);
  });

  test('is called by a name that every Compose takes: from .env, not from the file', () => {
    assert.equal(parseEnv(read('deploy/compose.env.example')).COMPOSE_PROJECT_NAME, 'wechat-media-archiver');
    // docker-compose 1.29 of Debian refuses a name in the file.
    assert.ok(!('name' in compose));
  });

  test('gives them values they take, once compose.env.example is filled in', () => {
    const example = parseEnv(read('deploy/compose.env.example')) as Record<string, string>;
    const filled: Record<string, string> = {
      ...example,
      WECHAT_APP_ID: VARIABLES.WECHAT_APP_ID.example,
      WECHAT_APP_SECRET: VARIABLES.WECHAT_APP_SECRET.example,
      WECHAT_TOKEN: VARIABLES.WECHAT_TOKEN.example,
      WECHAT_ENCODING_AES_KEY: VARIABLES.WECHAT_ENCODING_AES_KEY.example,
      API_KEYS: `${example.API_KEYS}0123456789abcdef`,
      POSTGRES_PASSWORD: '0123456789abcdef',
      S3_SECRET_ACCESS_KEY: '0123456789abcdef',
    };
    for (const name of PROGRAMS) {
      for (const [variable, template] of Object.entries(service(name).environment ?? {})) {
        const value = fill(template, filled);
        if (value === '') continue;
        const parsed = VARIABLES[variable as keyof typeof VARIABLES].kind.parse(value);
        assert.ok('value' in parsed, `${name}: ${variable}=${value}`);
      }
    }
  });

  test('compose.env.example names every variable that must be set, and no other', () => {
    const text = read('docker-compose.yml');
    const asked = new Set([...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name]) => name!));
    const required = new Set([...text.matchAll(/(?<!\$)\$\{(\w+):?\?/g)].map(([, name]) => name!));
    const uncommented = read('deploy/compose.env.example').replaceAll(/^#(?=[A-Z0-9_]+=)/gm, '');
    const named = Object.keys(parseEnv(uncommented)).filter((name) => !name.startsWith('COMPOSE_'));
    const set = Object.keys(parseEnv(read('deploy/compose.env.example')));
    assert.deepEqual(
      [...required].filter((name) => !set.includes(name)),
      [],
    );
    assert.deepEqual(
      named.filter((name) => !asked.has(name)),
      [],
    );
  });

  test('publishes on 127.0.0.1 alone, and nothing of the database and the queue', () => {
    const published = services.flatMap(([name, { ports }]) => (ports ?? []).map((port) => `${name} ${port}`));
    assert.deepEqual(published.toSorted(), [
      'server 127.0.0.1:8080:8080',
      'server 127.0.0.1:8081:8081',
      'store 127.0.0.1:8333:8333',
    ]);
  });

  test('gives the database and the queue no way to the Internet', () => {
    assert.equal(compose.networks.inside?.internal, true);
    for (const name of ['postgres', 'redis']) assert.deepEqual(service(name).networks, ['inside']);
  });

  test('keeps the queue from being evicted and from being forgotten', () => {
    const command = service('redis').command?.join(' ') ?? '';
    assert.match(command, /--appendonly yes/);
    assert.match(command, /--maxmemory-policy noeviction/);
    assert.match(command, /--maxmemory \d+mb/);
  });

  test('waits for what it stands on, and asks each whether it is well', () => {
    for (const name of PROGRAMS) {
      assert.deepEqual(service(name).depends_on, {
        postgres: { condition: 'service_healthy' },
        redis: { condition: 'service_healthy' },
        bucket: { condition: 'service_completed_successfully' },
      });
    }
    for (const name of ['postgres', 'redis', 'store']) assert.ok(service(name).healthcheck?.test, name);
  });

  test('starts again, within limits, on volumes that have a name', () => {
    for (const [name, { restart, deploy, volumes }] of services) {
      assert.equal(restart, name === 'bucket' ? 'on-failure' : 'unless-stopped', name);
      assert.ok(deploy?.resources?.limits?.memory, `${name} has a limit of memory`);
      for (const volume of volumes ?? []) {
        const [from = ''] = volume.split(':');
        assert.ok(from.startsWith('./') ? existsSync(join(ROOT, from)) : from in compose.volumes, volume);
      }
    }
    assert.deepEqual(Object.keys(compose.volumes).toSorted(), ['data', 'postgres', 'redis', 'store']);
  });

  test('pins the images it does not build', () => {
    for (const [name, { image, build }] of services) {
      if (!build) assert.match(image ?? '', /:\d[\w.-]*$/, name);
    }
  });

  const skip = composeClient ? false : 'NOT TESTED: no docker compose here to ask whether it reads the file';
  test('is read by Compose', { skip }, () => {
    const [program, ...args] = composeClient!;
    const required = [...read('docker-compose.yml').matchAll(/\$\{(\w+):?\?/g)].map(([, name]) => name!);
    const { status, stderr } = spawnSync(program!, [...args, '-f', 'docker-compose.yml', 'config', '-q'], {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: 60_000,
      env: { PATH: process.env.PATH, ...Object.fromEntries(required.map((name) => [name, 'x'])) },
    });
    assert.equal(status, 0, stderr);
  });
});

describe('the bucket is made', () => {
  const script = () => service('bucket').command?.[0]?.replaceAll('$$', '$') ?? '';

  test('by a script that sh reads', () => {
    assert.equal(spawnSync('sh', ['-n'], { input: script(), timeout: 10_000 }).status, 0);
  });

  const skip =
    spawnSync('curl', ['--version'], { timeout: 10_000 }).status === 0 ? false : 'NOT TESTED: no curl here';
  test('by a request with a Content-Length: stores respond with 411 without one', {
    skip,
  }, async (t) => {
    const store = await startHttpServer(t, (_request, response) => response.end());
    const here = script().replaceAll('http://store:8333', store.url);
    const env = {
      PATH: process.env.PATH,
      S3_BUCKET: 'media',
      S3_ACCESS_KEY_ID: 'id',
      S3_SECRET_ACCESS_KEY: 'key',
    };
    const child = spawn('sh', ['-c', here], { env, timeout: 20_000 });
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    const [request] = store.requests;
    assert.deepEqual(
      [request?.method, request?.url, request?.headers['content-length']],
      ['PUT', '/media', '0'],
    );
    assert.match(String(request?.headers.authorization), /^AWS4-HMAC-SHA256 /);
  });
});

describe('Dockerfile', () => {
  const text = read('Dockerfile');

  test('copies what is there and lets through what it copies', () => {
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) =>
      paths!.split(' '),
    );
    assert.ok(copied.length >= 6);
    const let_through = read('.dockerignore').split('\n');
    assert.ok(let_through.includes('*'));
    for (const path of copied) {
      assert.ok(existsSync(join(ROOT, path)), path);
      assert.ok(let_through.includes(`!${path}`), `.dockerignore keeps ${path} out`);
    }
  });

  test('runs a program that is there, not as root, and asks it whether it is alive', () => {
    const [, file] = /^CMD \["node", "([^"]+)"\]$/m.exec(text) ?? [];
    assert.ok(file && existsSync(join(ROOT, file)), file);
    assert.ok(text.indexOf('USER node') < text.lastIndexOf('CMD'));
    assert.match(text, /^HEALTHCHECK .*\n.*\/livez/m);
  });

  test('sets only variables that the program reads', () => {
    const [, set] = /^ENV (.+)$/m.exec(text) ?? [];
    for (const pair of set!.split(' ')) {
      const [name, value] = pair.split('=');
      assert.ok('value' in VARIABLES[name as keyof typeof VARIABLES].kind.parse(value!), pair);
    }
  });

  test('is of the Node that the program needs', () => {
    for (const [, major] of text.matchAll(/^FROM node:(\d+)/gm)) assert.equal(major, '24');
  });
});

describe('deploy/wma.service', () => {
  const unit = read('deploy/wma.service');

  test('starts a program that is there, again and again, but not after a mistake in the configuration', () => {
    const [, launcher, program] = /^ExecStart=\/usr\/bin\/env node (\S+) (\S+)$/m.exec(unit) ?? [];
    for (const file of [launcher, program]) assert.ok(file && existsSync(join(ROOT, file)), file);
    assert.match(unit, /^Restart=always$/m);
    assert.match(unit, /^RestartPreventExitStatus=78$/m);
  });

  test('signals the launcher alone, which hands it on: two signals mean "at once"', () => {
    assert.match(unit, /^KillMode=mixed$/m);
  });

  const skip =
    spawnSync('systemd-analyze', ['--version'], { timeout: 10_000 }).status === 0
      ? false
      : 'NOT TESTED: no systemd-analyze here';
  test('is read by systemd', { skip }, () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(ROOT, 'deploy/wma.service')], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    const ours = stderr.split('\n').filter((line) => line.includes('wma.service'));
    assert.deepEqual(ours, []);
    assert.equal(status, 0, stderr);
  });
});

describe('deploy/nginx.conf', () => {
  const nginx = spawnSync('nginx', ['-v'], { timeout: 10_000 }).status === 0;
  const skip = nginx ? false : 'NOT TESTED: no nginx here';

  /** The sample inside a whole configuration, with a certificate that is there. */
  async function whole(t: TestContext, change: (text: string) => string = (text) => text): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'wma-nginx-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const made = spawnSync(
      'openssl',
      `req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 2 -keyout ${key} -out ${certificate}`.split(' '),
      { timeout: 60_000 },
    );
    assert.equal(made.status, 0);
    const sample = read('deploy/nginx.conf')
      .replaceAll(/ssl_certificate_key .*;/g, `ssl_certificate_key ${key};`)
      .replaceAll(/ssl_certificate {5}.*;/g, `ssl_certificate ${certificate};`);
    const file = join(folder, 'nginx.conf');
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join('\n');
    await writeFile(
      file,
      `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${paths}\n${change(sample)}\n}\n`,
    );
    return file;
  }

  test('is read by nginx', { skip }, async (t) => {
    const { status, stderr } = spawnSync('nginx', ['-t', '-c', await whole(t)], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(status, 0, stderr);
  });

  test('lets through what is within the rate, and refuses a flood from one address', { skip }, async (t) => {
    const archiver = createServer((request, response) => {
      request.resume();
      response.end(String(request.headers['x-forwarded-for']));
    }).listen(0, '127.0.0.1');
    t.after(() => archiver.close());
    await once(archiver, 'listening');
    const port = await freePort();
    const file = await whole(t, (text) =>
      text
        .replaceAll('listen 443 ssl;', `listen 127.0.0.1:${port};`)
        .replace('127.0.0.1:8081', `127.0.0.1:${(archiver.address() as AddressInfo).port}`),
    );
    const nginx = spawn('nginx', ['-c', file], { stdio: 'ignore' });
    t.after(async () => {
      nginx.kill('SIGTERM');
      await once(nginx, 'close');
    });
    const send = () =>
      fetch(`http://127.0.0.1:${port}/wechat/wx1`, {
        method: 'POST',
        body: '<xml/>',
        headers: { 'x-forwarded-for': '192.0.2.1' },
      }).then(
        async (answer) => `${answer.status} ${answer.status === 200 ? await answer.text() : ''}`,
        () => 'no answer',
      );
    const until = performance.now() + 20_000;
    while ((await send()) !== '200 127.0.0.1') assert.ok(performance.now() < until);
    const answers = await Promise.all(Array.from({ length: 3_000 }, send));
    const ok = answers.filter((answer) => answer === '200 127.0.0.1').length;
    assert.ok(ok >= 100, `${ok} were let through`);
    assert.ok(
      answers.some((answer) => answer.startsWith('503')),
      'some were refused',
    );
  });
});

describe('the reverse proxies', () => {
  const ports = Object.values(compose.services).flatMap(({ ports }) => ports ?? []);

  for (const file of ['deploy/Caddyfile', 'deploy/nginx.conf', 'deploy/nginx-mirror.conf']) {
    test(`${file} passes on to ports that docker-compose.yml publishes, never to the page and the API`, () => {
      const upstreams = [...read(file).matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => port!);
      const known = ports.map((port) => port.split(':')[1]!).filter((port) => port !== '8080');
      // 3000 is the reader's own handler.
      const strange = upstreams.filter((port) => !known.includes(port) && port !== '3000');
      assert.ok(upstreams.length > 0);
      assert.deepEqual(strange, []);
    });
  }
});
