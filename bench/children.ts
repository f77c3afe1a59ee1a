/** The processes of one part: started one by one, stopped together in reverse. */
import { type Child, startChild } from './processes.ts';

export interface Children {
  start(...given: Parameters<typeof startChild>): Promise<Child>;
  stop(): Promise<void>;
}

export function createChildren(): Children {
  const children: Child[] = [];
  return {
    start: async (...given) => {
      const child = await startChild(...given);
      children.push(child);
      return child;
    },
    stop: async () => {
      for (const child of children.toReversed()) await child.stop();
    },
  };
}
