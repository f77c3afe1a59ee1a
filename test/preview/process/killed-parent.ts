/** A program that starts a converter, converts a voice, prints the id of the converter and waits to be killed. */
import { hash } from 'node:crypto';
import { CONVERTER_LIMITS } from '../../../src/preview/limits.ts';
import { createConverterProcess } from '../../../src/preview/process/converter-process.ts';
import { amrSeconds } from '../samples.ts';
import { converterPids } from './children.ts';

const voice = amrSeconds(1);
await createConverterProcess(CONVERTER_LIMITS).convert({ format: 'voice', sha256: hash('sha256', voice) }, [
  voice,
]);
process.stdout.write(`${converterPids().join(' ')}\n`);
