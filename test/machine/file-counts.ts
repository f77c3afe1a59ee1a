/** A reporter of node:test, as a module of its own because node takes the default export of a file. */
export { fileCounts as default } from './file-report.ts';
