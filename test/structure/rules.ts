/** The plan of the house as rules: each takes sources and answers sentences about what breaks it. */
import { isBuiltin } from 'node:module';
import type { SourceFile } from './sources.ts';

const GROUND = 'ground';
const STRANGERS = ['wechat', 'storage', 'catalogue', 'queue', 'embedded', 'spool'];

/** What a room may import besides itself. A room that is not listed here has no place in the house. */
const BELOW: Record<string, readonly string[]> = {
  [GROUND]: [],
  ...Object.fromEntries(STRANGERS.map((room) => [room, [GROUND]])),
  pipeline: [GROUND, ...STRANGERS],
  assembly: [GROUND, ...STRANGERS, 'pipeline'],
  simulator: [GROUND],
  server: [GROUND, ...STRANGERS, 'pipeline', 'assembly'],
  cli: [GROUND, ...STRANGERS, 'pipeline', 'assembly'],
  workers: [GROUND, ...STRANGERS, 'pipeline', 'assembly'],
  producer: [GROUND, 'wechat', 'catalogue', 'queue'],
  demo: [GROUND, ...STRANGERS, 'pipeline', 'assembly', 'simulator'],
  main: [GROUND, ...STRANGERS, 'pipeline', 'assembly', 'server', 'simulator'],
};

/** `src/wechat/api/client.ts` → wechat, `src/media.ts` → ground, `workers/archive.ts` → workers. */
export function roomOf(path: string): string {
  if (path === 'src/main.ts') return 'main';
  // The rooms behind src/config/config.ts, on the same floor.
  if (path.startsWith('src/config/')) return GROUND;
  if (path.startsWith('workers/')) return 'workers';
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? GROUND;
}

export function importsThatGoUp(sources: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  for (const { path, imports } of sources) {
    const room = roomOf(path);
    const allowed = BELOW[room];
    if (!allowed) problems.push(`${path}: the house has no room ${room}`);
    for (const imported of imports.filter((file) => /\.[cm]?[jt]s$/.test(file))) {
      const other = roomOf(imported);
      // Every worker is a program: the folder is not a room they share.
      const atHome = other === room && room !== 'workers';
      if (!/^(src|workers)\//.test(imported)) problems.push(`${path} imports ${imported} from outside`);
      else if (!atHome && !allowed?.includes(other)) problems.push(`${path} (${room}) imports ${imported}`);
    }
  }
  return problems;
}

export function readersOfTheEnvironment(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path, readsEnvironment }) => readsEnvironment && path !== 'src/config/config.ts')
    .map(({ path }) => `${path} reads process.env`);
}

export function importersOfBullmq(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path }) => roomOf(path) !== 'queue')
    .filter(({ specifiers }) => specifiers.some((specifier) => /^bullmq(\/|$)/.test(specifier)))
    .map(({ path }) => `${path} imports bullmq`);
}

export function builtinsWithoutPrefix(sources: readonly SourceFile[]): string[] {
  return sources.flatMap(({ path, specifiers }) =>
    specifiers
      .filter((specifier) => !specifier.startsWith('node:') && isBuiltin(specifier))
      .map((specifier) => `${path} imports ${specifier} without node:`),
  );
}

export const LINE_LIMIT = 300;

/** `excused`: path → why; an excuse that is not needed any more is a problem too. */
export function filesTooLong(sources: readonly SourceFile[], excused: Record<string, string>): string[] {
  const long = sources.filter(({ lines }) => lines > LINE_LIMIT);
  const unused = Object.keys(excused).filter((path) => !long.some((source) => source.path === path));
  return [
    ...long.filter(({ path }) => !excused[path]).map(({ path, lines }) => `${path} has ${lines} lines`),
    ...unused.map((path) => `${path} needs no excuse for its length any more`),
  ];
}

/** Files that none of `roots` reaches by importing or naming them. */
export function unreachable(sources: readonly SourceFile[], roots: readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    const source = byPath.get(path);
    for (const next of [...(source?.imports ?? []), ...(source?.names ?? [])]) visit(next);
  };
  for (const root of roots) visit(root);
  return sources.filter(({ path }) => !reached.has(path)).map(({ path }) => `${path} is reached by nothing`);
}

/** Relative imports of TypeScript or JavaScript that lead nowhere. */
export function importsOfNothing(
  sources: readonly SourceFile[],
  exists: (path: string) => boolean,
): string[] {
  return sources.flatMap(({ path, imports, names }) =>
    [...imports, ...names]
      .filter((imported) => /\.[cm]?[jt]s$/.test(imported) && !exists(imported))
      .map((imported) => `${path} imports ${imported}, which is not there`),
  );
}
