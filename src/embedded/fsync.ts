/** PGlite's folder on disk, with an fsync that reaches the disk. */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { NodeFS } from '@electric-sql/pglite/nodefs';

type Init = NodeFS['init'];

/** What is used of Emscripten's NODEFS: internals of the pinned PGlite, proven at every start by `syncs`. */
interface Module {
  NODEFS: {
    stream_ops: { fsync?: (stream: { nfd: number | undefined; node: object }) => number };
    realPath(node: object): string;
  };
}

/**
 * PGlite asks for fsync, but its NODEFS has none and answers "done". Measured: kill -9 loses nothing either way,
 * power loss may; the real fsync costs about 30 % of throughput.
 */
export class SyncedFolder extends NodeFS {
  /** How often the disk was asked to keep what it was given. */
  syncs = 0;

  override async init(...[pg, options]: Parameters<Init>): ReturnType<Init> {
    const { emscriptenOpts } = await super.init(pg, options);
    const hook = ({ NODEFS }: Module): void => {
      NODEFS.stream_ops.fsync = ({ nfd, node }) => {
        const fd = nfd ?? openSync(NODEFS.realPath(node), 'r');
        try {
          fsyncSync(fd);
          this.syncs++;
        } finally {
          if (nfd === undefined) closeSync(fd);
        }
        return 0;
      };
    };
    const preRun = [...((emscriptenOpts.preRun as unknown[]) ?? []), hook];
    return { emscriptenOpts: { ...emscriptenOpts, preRun } as typeof emscriptenOpts };
  }
}
