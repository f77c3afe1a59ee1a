/** Generates docs/zh/cli.md: the English page's common part, and the help of every command, in Chinese. */
import { cliPage } from '../cli.ts';
import { createTranslator, translateMarkdown } from './translate.ts';

export function chineseCliPage(): string {
  const { translate, finish } = createTranslator('cli');
  const page = translateMarkdown(cliPage(translate), translate);
  finish();
  return page;
}
