/** Node agents that use a proxy, for axios: a tunnel for https, requests in absolute form for plain http. */
import { type ClientRequest, Agent as HttpAgent } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent } from 'node:https';
import {
  createProxyDialer,
  createTunnelConnector,
  type ProxyOptions,
  proxyAuthorization,
} from './proxy-connect.ts';

/** A method of Node's agents that its types leave out. */
interface RequestAdder {
  addRequest(request: ClientRequest, options: object): void;
}

export function createProxyAgents(
  proxy: ProxyOptions,
  options: AgentOptions,
): { httpAgent: HttpAgent; httpsAgent: HttpsAgent } {
  const tunnel = createTunnelConnector(proxy);
  const dial = createProxyDialer(proxy);
  const httpsAgent = new HttpsAgent(options);
  httpsAgent.createConnection = ({ host, port, servername }, callback) => {
    const hostname = String(host);
    const target = { hostname, host: hostname, protocol: 'https:', port: String(port) };
    tunnel({ ...target, ...(servername && { servername }) }, (...[error, socket]) =>
      callback?.(error, socket!),
    );
    return undefined;
  };
  const httpAgent = new HttpAgent(options);
  httpAgent.createConnection = (_target, callback) => {
    dial({ hostname: '', protocol: 'http:', port: '' }, (...[error, socket]) => callback?.(error, socket!));
    return undefined;
  };
  const adder = httpAgent as unknown as RequestAdder;
  const addRequest = adder.addRequest.bind(httpAgent);
  const authorization = proxyAuthorization(proxy.proxyUrl);
  adder.addRequest = (request, target) => {
    request.path = `http://${request.getHeader('host')}${request.path}`;
    if (authorization) request.setHeader('proxy-authorization', authorization);
    addRequest(request, target);
  };
  return { httpAgent, httpsAgent };
}
