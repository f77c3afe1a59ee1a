/** Reads what a source file imports, with TypeScript's own scanner. */
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  /** What it imports, whether statically, dynamically, re-exported or as a type: as written. */
  readonly specifiers: readonly string[];
  /** The files of ours among them. */
  readonly imports: readonly string[];
  /** Files it names with `new URL('…', import.meta.url)`: to read, or to start as a process of its own. */
  readonly names: readonly string[];
  readonly readsEnvironment: boolean;
}

export function readSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const specifiers: string[] = [];
  const urls: string[] = [];
  let readsEnvironment = false;
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) take(node.moduleSpecifier, specifiers);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      take(node.argument.literal, specifiers);
    if (ts.isCallExpression(node) && isImportCall(node)) take(node.arguments[0], specifiers);
    // A worker thread shares our process, so its file counts as imported.
    if (isNew(node, 'URL')) take(node.arguments?.[0], isNew(node.parent, 'Worker') ? specifiers : urls);
    if (isEnvironment(node)) readsEnvironment = true;
    ts.forEachChild(node, visit);
  };
  visit(tree);
  if (specifiers.some((specifier) => /^(node:)?process$/.test(specifier))) readsEnvironment = true;
  const ours = (found: readonly string[]) =>
    found.filter((specifier) => specifier.startsWith('.')).map((specifier) => join(dirname(path), specifier));
  const lines = text.split('\n').length - 1;
  return { path, lines, specifiers, imports: ours(specifiers), names: ours(urls), readsEnvironment };
}

function take(node: ts.Node | undefined, into: string[]): void {
  if (node && ts.isStringLiteralLike(node)) into.push(node.text);
}

function isNew(node: ts.Node, name: string): node is ts.NewExpression {
  return ts.isNewExpression(node) && node.expression.getText() === name;
}

function isImportCall(node: ts.CallExpression): boolean {
  const callee = node.expression;
  return callee.kind === ts.SyntaxKind.ImportKeyword || callee.getText() === 'require';
}

/** `process.env`, `process['env']`, `const { env } = process`. */
function isEnvironment(node: ts.Node): boolean {
  const isProcess = (part: ts.Node | undefined) =>
    part !== undefined && /^(globalThis\.)?process$/.test(part.getText());
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'env' && isProcess(node.expression);
  if (ts.isElementAccessExpression(node)) return isProcess(node.expression);
  return (
    ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name) && isProcess(node.initializer)
  );
}

/** All TypeScript of the named folders, by path. */
export async function readSources(folders: readonly string[]): Promise<SourceFile[]> {
  const sources: SourceFile[] = [];
  for (const folder of folders) {
    for await (const path of glob(`${folder}/**/*.{ts,js}`, { cwd: ROOT })) {
      const place = relative(ROOT, join(ROOT, path)).replaceAll('\\', '/');
      sources.push(readSource(place, await readFile(join(ROOT, path), 'utf8')));
    }
  }
  return sources.sort((a, b) => a.path.localeCompare(b.path));
}
