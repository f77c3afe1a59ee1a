/** What a worker calls WeChat with: the API, access tokens and downloads. */
import { secureContextOf } from '../runtime/network/tls-context.ts';
import { createWechatApi, type WechatApi } from '../wechat/api/client.ts';
import { createDownloader, type Downloader } from '../wechat/media/download.ts';
import { createTokens, type Tokens } from '../wechat/tokens/tokens.ts';
import type { AppContext } from './app-context.ts';

/** Where WeChat is reached; the simulator's addresses stand for the configured ones. */
export interface WechatAddresses {
  readonly apiBaseUrl: string;
  readonly wecomBaseUrl: string;
  readonly videoBaseUrl: string | undefined;
  readonly proxyUrl: string | undefined;
  readonly allowHosts: AppContext['config']['fetch']['allowHosts'];
}

export interface WechatClients {
  readonly api: WechatApi;
  readonly tokens: Tokens;
  readonly downloader: Downloader;
}

/** Opens the clients of the API, without downloads. Adds a shutdown step for each. */
export function openWechatApi(
  context: AppContext,
  { apiBaseUrl, wecomBaseUrl, proxyUrl }: Pick<WechatAddresses, 'apiBaseUrl' | 'wecomBaseUrl' | 'proxyUrl'>,
): Pick<WechatClients, 'api' | 'tokens'> {
  const { config, catalogue, clock, lifetimes, log, shutdown, tracer } = context;
  const secureContext = secureContextOf(config.authorities.wechat);
  const api = createWechatApi({ baseUrl: apiBaseUrl, wecomBaseUrl, proxyUrl, secureContext, tracer });
  shutdown.step('WeChat calls', () => api.close());
  const tokens = createTokens({
    api,
    store: catalogue.accounts.tokens,
    secrets: catalogue.encryptedSecrets,
    clock,
    lifetimes,
    log,
  });
  shutdown.step('tokens', () => tokens.close());
  return { api, tokens };
}

/** Adds a shutdown step for each. */
export function openWechatClients(context: AppContext, addresses: WechatAddresses): WechatClients {
  const { config, log, metrics, shutdown, tracer } = context;
  const { apiBaseUrl, wecomBaseUrl, videoBaseUrl, proxyUrl, allowHosts } = addresses;
  const { api, tokens } = openWechatApi(context, addresses);
  const downloader = createDownloader({
    baseUrl: apiBaseUrl,
    wecomBaseUrl,
    videoBaseUrl,
    ...(proxyUrl ? { proxyUrl } : {}),
    secureContext: secureContextOf(config.authorities.wechat),
    allowHosts: allowHosts.map(({ host, port }) => (port ? `${host}:${port}` : host)),
    idleTimeoutMs: config.fetch.idleTimeoutMs,
    totalTimeoutMs: config.fetch.totalTimeoutMs,
    maxMediaBytes: config.work.maxMediaBytes,
    log,
    tracer,
    onInsecureVideo: () => metrics.insecureVideo.inc(),
  });
  shutdown.step('downloader', () => downloader.close());
  return { api, tokens, downloader };
}
