/** Writes the diagram and the tables of docs/architecture.md, from the rules that the structure test enforces. */
import { ADAPTERS, DOMAIN, LAYERS, SIBLINGS } from '../../test/structure/layers.ts';

/** The purpose of each layer. A layer without an entry fails the test of this page. */
const PURPOSES: Readonly<Record<string, string>> = {
  [DOMAIN]: 'the files directly in `src/`: account, media item, media type, failures',
  runtime:
    'the parts that any service needs: log, metrics, clock, poll loop, timeouts, shutdown, connections',
  config: 'turns the environment into one frozen object',
  wechat: "implements WeChat's protocols: callbacks, tokens, media/get, customer service",
  storage: 'implements the S3 client',
  catalogue: 'contains every SQL statement of the program, grouped by subject',
  queue: 'wraps BullMQ, which no other layer imports',
  embedded: 'a Postgres (PGlite) and an S3 server inside the process, for `npm start` without services',
  spool: 'stores callbacks on disk while the catalogue is unavailable',
  preview:
    'makes thumbnails of pictures and playable voices, in processes of their own; the store and the catalogue are passed to it',
  pipeline: 'what the program does: ingest, dispatch, archive, maintenance, verification, checks, alerts',
  app: 'opens all parts that a program needs, and closes them',
  simulator: 'a program: a simulated WeChat with faults on request; imports nothing of `wechat`',
  server: 'a program: callbacks, API, dashboard',
  cli: 'a program: `wma`, over HTTP',
  workers: 'two programs: `npm run worker`, `npm run sweep`',
  producer: 'the npm package for other programs: the client of the API, and the producer of references',
  demo: 'a program: the scripted day of `npm run demo`',
  main: 'a program: `npm start`, everything in one process',
};

/** Returns the box of a layer. The adapters are drawn as one box, because none of them imports another one. */
const boxOf = (layer: string) => (ADAPTERS.includes(layer) ? 'adapters' : layer);

/** Returns the imports between boxes, without those that follow from others (a → b → c makes a → c superfluous). */
function edges(): [from: string, to: string][] {
  const below = new Map<string, Set<string>>();
  for (const [layer, allowed] of Object.entries(LAYERS)) {
    const box = boxOf(layer);
    const boxes = below.get(box) ?? new Set();
    for (const other of allowed) if (boxOf(other) !== box) boxes.add(boxOf(other));
    below.set(box, boxes);
  }
  return [...below].flatMap(([from, direct]) =>
    [...direct]
      .filter((to) => ![...direct].some((between) => below.get(between)?.has(to)))
      .map((to): [string, string] => [from, to]),
  );
}

/** Returns a diagram for Mermaid, which GitHub, GitLab and Gitea render. An arrow means: may import. */
export function layersDiagram(): string {
  const boxes = [...new Set(Object.keys(LAYERS).map(boxOf))];
  const label = (box: string) =>
    box === 'adapters' ? ADAPTERS.join(' · ') : box === 'main' ? 'main.ts' : box;
  return [
    '```mermaid',
    'flowchart TD',
    ...boxes.map((box) => `  ${box}["${label(box)}"]`),
    ...edges().map(([from, to]) => `  ${from} --> ${to}`),
    '```',
  ].join('\n');
}

export function layersTable(): string {
  const rows = Object.entries(LAYERS).map(([layer, allowed]) => {
    const purpose = PURPOSES[layer];
    if (!purpose) throw new Error(`docs/generate/architecture.ts has no purpose for the layer ${layer}`);
    return `| ${layer} | ${purpose} | ${allowed.join(', ') || '–'} |`;
  });
  return ['| layer | purpose | may import |', '|---|---|---|', ...rows].join('\n');
}

export function siblingsTable(): string {
  const rows = Object.entries(SIBLINGS).map(
    ([folder, order]) =>
      `| \`${folder}\` | ${order.map((name) => (name === '.' ? '(its files)' : name)).join(' < ')} |`,
  );
  return ['| folder | order |', '|---|---|', ...rows].join('\n');
}
