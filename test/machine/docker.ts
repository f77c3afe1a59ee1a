/** Containers as test servers, where a Docker engine is all the machine has. */
import { randomUUID } from 'node:crypto';
import { type Command, run } from './server.ts';

export const DOCKER = 'docker';

export async function dockerAnswers(): Promise<boolean> {
  return run(DOCKER, ['info'], { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

export interface Container {
  /** Runs in the foreground, so that it lives and dies like a process; keeps its data when started again. */
  readonly command: Command;
  remove(): Promise<void>;
}

/** Creates a stopped container; the first time that pulls the image, for at most ten minutes. */
export async function createContainer(options: {
  image: string;
  port: number;
  containerPort: number;
  env?: readonly string[];
  args?: readonly string[];
}): Promise<Container> {
  const name = `wma-test-${randomUUID()}`;
  const published = `127.0.0.1:${options.port}:${options.containerPort}`;
  const env = (options.env ?? []).flatMap((pair) => ['--env', pair]);
  const create = ['create', '--name', name, '--publish', published, ...env, options.image];
  await run(DOCKER, [...create, ...(options.args ?? [])], { timeout: 600_000 });
  return {
    command: {
      program: DOCKER,
      args: ['start', '--attach', name],
      kill: () => run(DOCKER, ['kill', name], { timeout: 30_000 }),
    },
    remove: async () => {
      await run(DOCKER, ['rm', '--force', '--volumes', name], { timeout: 60_000 });
    },
  };
}
