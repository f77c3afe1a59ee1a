/** The scripts that pages load, by name. They import the others of their folder. */

export const SCRIPTS = {
  main: new URL('../browser/main.js', import.meta.url),
  media: new URL('../browser/media.js', import.meta.url),
  lightbox: new URL('../browser/lightbox.js', import.meta.url),
  charts: new URL('../browser/charts.js', import.meta.url),
} as const;

export type ScriptName = keyof typeof SCRIPTS;
