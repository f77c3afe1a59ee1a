/** The architecture as rules: each takes sources and returns a sentence for each place that breaks it. */
import { isBuiltin } from 'node:module';
import { dirname } from 'node:path';
import { DOMAIN, LAYERS, SIBLINGS } from './layers.ts';
import type { SourceFile } from './sources.ts';

/** `src/wechat/api/client.ts` → wechat, `src/media.ts` → domain, `workers/archive.ts` → workers. */
export function layerOf(path: string): string {
  if (path === 'src/main.ts') return 'main';
  if (path.startsWith('workers/')) return 'workers';
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? DOMAIN;
}

const isCode = (path: string) => /\.[cm]?[jt]s$/.test(path);

export function importsAgainstTheLayers(sources: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  for (const { path, imports } of sources) {
    const layer = layerOf(path);
    const allowed = LAYERS[layer];
    if (!allowed) problems.push(`${path}: there is no layer ${layer}`);
    for (const imported of imports.filter(isCode)) {
      const other = layerOf(imported);
      // Each worker is a program of its own: the folder is not a layer that they share.
      const isSame = other === layer && layer !== 'workers';
      if (!/^(src|workers)\//.test(imported)) problems.push(`${path} imports ${imported} from outside`);
      else if (!isSame && !allowed?.includes(other)) problems.push(`${path} (${layer}) imports ${imported}`);
    }
  }
  return problems;
}

/** The folder of `path` right inside `parent`; `.` for a file right inside it, undefined outside. */
function childOf(parent: string, path: string): string | undefined {
  if (!path.startsWith(`${parent}/`)) return undefined;
  const rest = path.slice(parent.length + 1);
  return rest.includes('/') ? rest.slice(0, rest.indexOf('/')) : '.';
}

/** Imports between sibling folders that go to the right in {@link SIBLINGS}. */
export function importsAgainstTheOrder(
  sources: readonly SourceFile[],
  siblings: Record<string, readonly string[]> = SIBLINGS,
): string[] {
  const problems: string[] = [];
  for (const [parent, order] of Object.entries(siblings)) {
    for (const { path, imports } of sources) {
      const child = childOf(parent, path);
      if (child === undefined || (child === '.' && !order.includes('.'))) continue;
      if (!order.includes(child))
        problems.push(`${path}: ${parent}/${child} has no place in the order of its siblings`);
      for (const imported of imports.filter(isCode)) {
        const other = childOf(parent, imported);
        if (other !== undefined && order.indexOf(other) > order.indexOf(child))
          problems.push(`${path} imports ${imported}`);
      }
    }
  }
  return problems;
}

/** Folders with several folders inside whose order is not stated. */
export function foldersWithoutAnOrder(
  sources: readonly SourceFile[],
  siblings: Record<string, readonly string[]> = SIBLINGS,
): string[] {
  const children = new Map<string, Set<string>>();
  for (const { path } of sources) {
    const folder = dirname(path);
    const parent = dirname(folder);
    if (parent.startsWith('src/')) children.set(parent, (children.get(parent) ?? new Set()).add(folder));
  }
  return [...children]
    .filter(([parent, folders]) => folders.size > 1 && !siblings[parent])
    .map(([parent]) => `${parent} has several folders and no order of them`);
}

/** Circles of files that import each other, type imports included; each as the files in it. */
export function circles(sources: readonly SourceFile[]): string[] {
  const imports = new Map(sources.map((source) => [source.path, source.imports]));
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const next of imports.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const { path } of sources) visit(path, []);
  return found;
}

export const FOLDER_LIMIT = 14;

/** Folders with more files side by side than a reader takes in; `excused`: folder → why. */
export function crowdedFolders(sources: readonly SourceFile[], excused: Record<string, string>): string[] {
  const counts = new Map<string, number>();
  for (const { path } of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  const crowded = [...counts].filter(([, count]) => count > FOLDER_LIMIT);
  const unused = Object.keys(excused).filter((folder) => !crowded.some(([crowd]) => crowd === folder));
  return [
    ...crowded
      .filter(([folder]) => !excused[folder])
      .map(([folder, count]) => `${folder} has ${count} files`),
    ...unused.map((folder) => `${folder} needs no excuse for its size any more`),
  ];
}

export function readersOfTheEnvironment(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path, readsEnvironment }) => readsEnvironment && path !== 'src/config/config.ts')
    .map(({ path }) => `${path} reads process.env`);
}

export function importersOfBullmq(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path }) => layerOf(path) !== 'queue')
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
