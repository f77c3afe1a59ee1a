import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConfigError, loadConfig } from '../../../src/config/config.ts';
import { configSecrets } from '../../../src/config/values/secrets.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };

function load(env: Record<string, string>, files: Record<string, string> = {}) {
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('absent'), { code: 'ENOENT' });
    return text;
  };
  return loadConfig(env, { dotEnvFolder: '/nowhere', readFile });
}

function mistakesOf(env: Record<string, string>): string[] {
  try {
    load(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.mistakes.map(({ variable }) => variable);
  }
  return [];
}

test('the endpoint turns traces on, and /v1/traces is appended to it', () => {
  const { traces } = load(ENDPOINT);
  assert.deepEqual(traces, {
    url: 'http://collector:4318/v1/traces',
    headers: {},
    timeoutMs: 10_000,
    authority: undefined,
    serviceName: 'wechat-media-archiver',
    resourceAttributes: {},
    sampler: { root: 'on', isParentBased: true, ratio: 1 },
    secrets: [],
  });
});

test('the endpoint of traces alone is used as it is', () => {
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://otlp.example.com/a/b?key=the-key' };
  assert.equal(load(own).traces?.url, own.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  const config = load({ ...ENDPOINT, ...own });
  assert.equal(config.traces?.url, own.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  assert.ok(configSecrets(config).includes('the-key'));
  assert.ok(!JSON.stringify(config.settings).includes('the-key'));
});

describe('traces are off', () => {
  for (const [what, env] of [
    ['without an endpoint', {}],
    ['with an endpoint that is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['with OTEL_SDK_DISABLED', { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }],
    ['with OTEL_TRACES_EXPORTER=none', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }],
  ] as const) {
    test(`${what}, and the other variables may be those of other programs`, () => {
      const others = {
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_TRACES_SAMPLER: 'jaeger_remote',
        OTEL_TRACES_SAMPLER_ARG: 'endpoint=http://x',
        OTEL_EXPORTER_OTLP_CERTIFICATE: '/absent.pem',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_PROPAGATORS: 'b3',
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://x',
      };
      assert.equal(load({ ...others, ...env }).traces, undefined);
    });
  }
});

test('headers and attributes are percent-decoded, and the values of headers are secrets, also from a file', () => {
  const config = load(
    {
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_HEADERS_FILE: '/run/headers',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=prod, team=%E5%AE%A2%2C%3D ,',
      OTEL_SERVICE_NAME: 'archiver',
    },
    { '/run/headers': 'authorization=Bearer%20the-token,x-tenant=a=b\n' },
  );
  assert.deepEqual(config.traces?.headers, { authorization: 'Bearer the-token', 'x-tenant': 'a=b' });
  assert.deepEqual(config.traces?.resourceAttributes, {
    'deployment.environment.name': 'prod',
    team: '客,=',
  });
  const secrets = configSecrets(config);
  assert.ok(secrets.includes('the-token') && secrets.includes('Bearer the-token'));
  assert.ok(!JSON.stringify(config.settings).includes('the-token'));
});

describe('with an endpoint a value that cannot be used is a mistake', () => {
  for (const [variable, value] of [
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json'],
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'no-value'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%zz'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a b=c'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%0Ab'],
    ['OTEL_RESOURCE_ATTRIBUTES', '=x'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', 'soon'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317'],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/absent.pem'],
    ['OTEL_EXPORTER_OTLP_ENDPONT', 'http://collector:4318'],
  ] as const) {
    test(`${variable}=${value}`, () =>
      assert.deepEqual(mistakesOf({ ...ENDPOINT, [variable]: value }), [variable]));
  }

  test('OTEL_TRACES_SAMPLER_ARG of a ratio', () => {
    const ratio = { ...ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio' };
    assert.deepEqual(mistakesOf({ ...ratio, OTEL_TRACES_SAMPLER_ARG: '2' }), ['OTEL_TRACES_SAMPLER_ARG']);
    assert.deepEqual(load({ ...ratio, OTEL_TRACES_SAMPLER_ARG: '0.25' }).traces?.sampler, {
      root: 'ratio',
      isParentBased: true,
      ratio: 0.25,
    });
  });
});
