/** Removes variables that Kubernetes sets in each pod for each Service (enableServiceLinks), and Docker for links. */
import { type Environment, isVariable } from './values/environment.ts';

const ADDRESS = /^(tcp|udp|sctp):\/\//;

/**
 * Whether Kubernetes has set the variable. A Service named `metrics` sets METRICS_PORT to tcp://10.0.0.7:9090, which is
 * not a valid value for our METRICS_PORT.
 */
const isServiceLink = (name: string, value: string | undefined): boolean =>
  name.endsWith('_PORT') && ADDRESS.test(value?.trim() ?? '');

/**
 * Returns the environment without these variables, and a warning for each that has the name of one of our variables.
 */
export function withoutServiceLinks(env: Environment): { env: Environment; warnings: string[] } {
  const links = new Set(Object.keys(env).filter((name) => isServiceLink(name, env[name])));
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !links.has(name)));
  const warnings = [...links]
    .filter(isVariable)
    .map(
      (name) =>
        `${name} is the address of a Service of Kubernetes and is ignored: set enableServiceLinks: false for the pod, or rename the Service`,
    );
  return { env: rest, warnings };
}
