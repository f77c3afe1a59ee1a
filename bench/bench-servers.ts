/** The servers of most parts: services, stand-ins for WeChat and the store, and a callback sender; all are closed at the end. */
import { type Children, createChildren } from './children.ts';
import type { PartOptions } from './part.ts';
import type { Child } from './processes.ts';
import { openServices, type Services } from './services.ts';
import type { Shape } from './shapes.ts';

export interface BenchServers {
  readonly options: PartOptions;
  readonly children: Children;
  readonly services: Services;
  readonly sender: Child;
  readonly sink: Child;
  readonly ends: { readonly originUrl: string; readonly sinkUrl: string };
}

export interface BenchServerSettings {
  /** LATENCY_MS */
  readonly origin?: Record<string, string>;
  /** BYTES_PER_SECOND */
  readonly sink?: Record<string, string>;
  /** Services of another part, which stay open. */
  readonly services?: Services;
}

export async function withBenchServers<T>(
  options: PartOptions,
  measure: (servers: BenchServers) => Promise<T>,
  settings: BenchServerSettings = {},
): Promise<T> {
  const children = createChildren();
  const services = settings.services ?? (await openServices());
  try {
    const side = 'servers';
    const origin = await children.start('./wechat-stand-in.ts', { side, env: settings.origin ?? {} });
    const sink = await children.start('./store-stand-in.ts', { side, env: settings.sink ?? {} });
    const sender = await children.start('./callback-sender.ts', { side });
    const ends = { originUrl: await origin.call<string>('url'), sinkUrl: await sink.call<string>('url') };
    return await measure({ options, children, services, sender, sink, ends });
  } finally {
    await children.stop();
    if (!settings.services) await services.close();
  }
}

/** Starts end-to-end/floors.ts on a database of its own; returns it with the address of its bare route. */
export async function openFloors(
  shape: Shape,
  { children, services }: Pick<BenchServers, 'children' | 'services'>,
): Promise<{ floors: Child; route: string }> {
  const floors = await children.start('./end-to-end/floors.ts', { side: 'client' });
  const route = await floors.call<string>('open', {
    shape,
    databaseUrl: shape === 'embedded' ? '' : await services.newDatabase(),
    redisUrl: services.redisUrl,
    folder: shape === 'embedded' ? await services.folder('floor') : '',
  });
  return { floors, route };
}
