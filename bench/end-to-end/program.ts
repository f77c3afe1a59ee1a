/** The program itself, with counters on its statements and sockets. */
import { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import { serveParent } from '../child.ts';

let statements = 0;
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function countedQuery(this: pg.Client, ...args: unknown[]) {
  statements++;
  return (query as (...args: unknown[]) => unknown).apply(this, args);
} as typeof query;

/** By the port of the other end. Of closed sockets only the count is kept, because the sockets themselves would leak. */
const sockets = new Map<number, Set<Socket>>();
const closedBytes = new Map<number, number>();
const bytesOf = (socket: Socket) => socket.bytesRead + socket.bytesWritten;
const { connect } = Socket.prototype;
Socket.prototype.connect = function countedConnect(this: Socket, ...args: unknown[]) {
  const [first] = args.flat() as [{ port?: number | string } | number];
  const port = Number(typeof first === 'object' ? first?.port : first);
  if (port) {
    const open = sockets.get(port) ?? new Set();
    sockets.set(port, open.add(this));
    this.once('close', () => {
      open.delete(this);
      closedBytes.set(port, (closedBytes.get(port) ?? 0) + bytesOf(this));
    });
  }
  return (connect as (...args: unknown[]) => Socket).apply(this, args);
} as typeof connect;

const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();

export interface Usage {
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly statements: number;
  readonly bytesByPort: Readonly<Record<string, number>>;
  /** Since the last call. */
  readonly loopDelayP99Ms: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

let printed = '';
const { write } = process.stdout;
process.stdout.write = ((text: string, ...rest: never[]) => {
  printed += text;
  return typeof rest.at(-1) === 'function' ? (rest.at(-1) as unknown as () => void)() : true;
}) as typeof write;

serveParent({
  /** The output of `npm start`, which has the address of the dashboard. */
  printed: () => printed,
  collect: () => collect(),
  usage: (): Usage => {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const bytes = [...sockets].map(([port, set]) => [
      port,
      [...set].reduce((sum, socket) => sum + bytesOf(socket), closedBytes.get(port) ?? 0),
    ]);
    const loopDelayP99Ms = delay.percentile(99) / 1e6;
    delay.reset();
    return {
      cpuMs: (user + system) / 1000,
      rssBytes: rss,
      heapBytes: heapUsed,
      statements,
      bytesByPort: Object.fromEntries(bytes),
      loopDelayP99Ms,
    };
  },
});

await import(process.env.BENCH_PROGRAM ?? '../../src/main.ts');
