/** How a producer writes references. Each way is loaded when it is used, since each needs packages of its own. */
import type { Reference, Status } from '../media.ts';
import { ProducerError } from './producer-error.ts';

/** Writes references: as rows in Postgres, or as jobs in Redis. */
export interface ReferenceWriter {
  /** Resolves with the status of each row in the order of the references; undefined if a row does not exist yet. */
  write(references: readonly Reference[]): Promise<(Status | undefined)[]>;
  close(): Promise<void>;
}

export interface LazyWriter extends ReferenceWriter {
  /** Loads the modules. The time for it does not count towards the timeout of a call. */
  preload(): Promise<unknown>;
}

/**
 * Begins to load the modules of a writer, and opens it at the first write. If one of `packages` is not installed, every
 * write rejects with a {@link ProducerError} that names them.
 */
export function openLazily(
  packages: readonly string[],
  load: () => Promise<() => ReferenceWriter | Promise<ReferenceWriter>>,
): LazyWriter {
  const loading = load().catch((error: unknown) => {
    throw isMissing(error, packages) ? missingError(packages, error) : error;
  });
  loading.catch(() => undefined); // Each write rejects with the error.
  let opening: Promise<ReferenceWriter> | undefined;
  return {
    preload: () => loading,
    write: async (references) => {
      opening ??= loading.then((open) => open());
      const current = opening;
      // What could not be opened now, for example while Redis is away, is opened again by the next write.
      current.catch(() => {
        if (opening === current) opening = undefined;
      });
      return await (await current).write(references);
    },
    close: async () => {
      const writer = await opening?.catch(() => undefined);
      await writer?.close();
    },
  };
}

function isMissing(error: unknown, packages: readonly string[]): boolean {
  const { code, message } = error as { code?: unknown; message?: string };
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && packages.some((name) => message?.includes(`'${name}'`));
}

const missingError = (packages: readonly string[], cause: unknown) =>
  new ProducerError(
    'misconfigured',
    `this way of producing needs ${packages.join(' and ')}: npm install ${packages.join(' ')}`,
    cause,
  );
