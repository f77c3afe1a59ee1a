/** What most parts play on: services, an origin, a sink and a sender of callbacks, all of them gone at the end. */
import { type Children, createChildren } from './children.ts';
import type { PartOptions } from './part.ts';
import type { Child } from './processes.ts';
import { openServices, type Services } from './services.ts';
import type { Shape } from './shapes.ts';

export interface Stage {
  readonly options: PartOptions;
  readonly children: Children;
  readonly services: Services;
  readonly sender: Child;
  readonly sink: Child;
  readonly ends: { readonly originUrl: string; readonly sinkUrl: string };
}

export interface StageSettings {
  /** LATENCY_MS */
  readonly origin?: Record<string, string>;
  /** BYTES_PER_SECOND */
  readonly sink?: Record<string, string>;
  /** Another part's, to be left open. */
  readonly services?: Services;
}

export async function onStage<T>(
  options: PartOptions,
  play: (stage: Stage) => Promise<T>,
  settings: StageSettings = {},
): Promise<T> {
  const children = createChildren();
  const services = settings.services ?? (await openServices());
  try {
    const side = 'servers';
    const origin = await children.start('./origin.ts', { side, env: settings.origin ?? {} });
    const sink = await children.start('./sink.ts', { side, env: settings.sink ?? {} });
    const sender = await children.start('./sender.ts', { side });
    const ends = { originUrl: await origin.ask<string>('url'), sinkUrl: await sink.ask<string>('url') };
    return await play({ options, children, services, sender, sink, ends });
  } finally {
    await children.stop();
    if (!settings.services) await services.close();
  }
}

/** The floors of end-to-end/floors.ts on a database of their own, and the address of their bare route. */
export async function openFloors(
  shape: Shape,
  { children, services }: Pick<Stage, 'children' | 'services'>,
): Promise<{ floors: Child; route: string }> {
  const floors = await children.start('./end-to-end/floors.ts', { side: 'client' });
  const route = await floors.ask<string>('open', {
    shape,
    databaseUrl: shape === 'embedded' ? '' : await services.newDatabase(),
    redisUrl: services.redisUrl,
    folder: shape === 'embedded' ? await services.folder('floor') : '',
  });
  return { floors, route };
}
