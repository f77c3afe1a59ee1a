/** One converter: a real process with the real decoders, and what ends it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import sharp from 'sharp';
import { CONVERTER_LIMITS, type ConverterLimits } from '../../../src/preview/limits.ts';
import type { PreviewFormat } from '../../../src/preview/preview-format.ts';
import {
  type ConverterProcess,
  createConverterProcess,
} from '../../../src/preview/process/converter-process.ts';
import { PreviewRefusedError, PreviewUnavailableError } from '../../../src/preview/reasons.ts';
import { amrOf, frameOf, hostileAmr, pngClaiming, readWav, repeat, silkOf, slowVoice } from '../samples.ts';
import { converterPids, hasProc, untilGone } from './children.ts';

const open: ConverterProcess[] = [];
after(() => Promise.all(open.map((converter) => converter.close())));

function start(limits: Partial<ConverterLimits> = {}): ConverterProcess {
  const converter = createConverterProcess({ ...CONVERTER_LIMITS, ...limits });
  open.push(converter);
  return converter;
}

/** Starts one and resolves with its id too. */
async function startWithPid(limits: Partial<ConverterLimits> = {}): Promise<[ConverterProcess, number]> {
  const before = new Set(converterPids());
  const converter = start(limits);
  await convert(converter, 'voice', VOICE);
  const [pid, ...more] = converterPids().filter((one) => !before.has(one));
  assert.ok(pid !== undefined && more.length === 0);
  return [converter, pid];
}

const convert = (converter: ConverterProcess, format: PreviewFormat, file: Buffer) =>
  converter.convert({ format, sha256: hash('sha256', file) }, [file]);

async function errorOf(promise: Promise<unknown>): Promise<PreviewRefusedError | PreviewUnavailableError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof PreviewRefusedError || error instanceof PreviewUnavailableError, String(error));
  return error;
}
const reasonOf = async (promise: Promise<unknown>) => {
  const error = await errorOf(promise);
  return error instanceof PreviewRefusedError ? error.reason : error.why;
};

const VOICE = amrOf(repeat(frameOf(7, 32), 100));

describe('a converter process', () => {
  test('converts one file after the other, of each format', async () => {
    const converter = start();
    assert.equal(readWav(await convert(converter, 'voice', VOICE)).seconds, 2);
    assert.ok(readWav(await convert(converter, 'voice', await silkOf(16_000, 1))).seconds >= 1);
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    const picture = await sharp({
      create: { width: 2_000, height: 1_500, channels: 3, background: '#808080', noise },
    })
      .jpeg()
      .toBuffer();
    const thumbnail = await convert(converter, 'picture', picture);
    assert.deepEqual((await sharp(thumbnail).metadata()).width, 320);
    assert.equal(readWav(await convert(converter, 'voice', VOICE)).seconds, 2);
    assert.equal(converter.isUsable, true);
  });

  test('takes a file in pieces', async () => {
    const pieces = [VOICE.subarray(0, 3), VOICE.subarray(3, 1_000), VOICE.subarray(1_000)];
    const wav = await start().convert({ format: 'voice', sha256: hash('sha256', VOICE) }, pieces);
    assert.equal(readWav(wav).seconds, 2);
  });

  test('refuses a file with its reason, and converts the next one', async () => {
    const converter = start();
    assert.equal(await reasonOf(convert(converter, 'voice', hostileAmr(4 * 2 ** 20))), 'too_long');
    assert.equal(
      await reasonOf(convert(converter, 'picture', pngClaiming(65_000, 65_000))),
      'too_many_pixels',
    );
    assert.equal(await reasonOf(convert(converter, 'picture', Buffer.from('<svg/>'))), 'damaged');
    const other = converter.convert({ format: 'voice', sha256: hash('sha256', 'another file') }, [VOICE]);
    assert.equal(await reasonOf(other), 'not_as_archived');
    assert.equal(readWav(await convert(converter, 'voice', VOICE)).seconds, 2);
  });

  test('is killed when a file takes more CPU time than it may', { skip: hasProc }, async () => {
    const converter = start({ conversionCpuMs: 600 });
    await convert(converter, 'voice', VOICE);
    assert.equal(await reasonOf(convert(converter, 'voice', slowVoice())), 'too_slow');
    assert.equal(converter.isUsable, false);
  });

  test('is killed when a file takes more memory than it may', { skip: hasProc }, async () => {
    // Interlaced, so that all pixels must be in memory at once: 160 MB and more.
    const size = { width: 6_000, height: 6_500 };
    const picture = await sharp({ create: { ...size, channels: 4, background: '#10ff1080' } })
      .png({ progressive: true })
      .toBuffer();
    const converter = start({ memoryBytes: 150 * 2 ** 20 });
    assert.equal(await reasonOf(convert(converter, 'picture', picture)), 'too_much_memory');
    assert.equal(converter.isUsable, false);
  });

  test('that has no result in time is killed, which is no fault of the file', async () => {
    const converter = start({ conversionMs: 20 });
    assert.equal(await reasonOf(convert(converter, 'voice', slowVoice())), 'failed');
    assert.equal(converter.isUsable, false);
  });

  test('that cannot start in time is no fault of the file', async () => {
    const error = await errorOf(convert(start({ startMs: 0 }), 'voice', VOICE));
    assert.ok(error instanceof PreviewUnavailableError);
    assert.match(String(error.cause), /did not start/);
  });

  for (const [signal, expected] of [
    ['SIGSEGV', 'decoder_crashed'],
    ['SIGABRT', 'decoder_crashed'],
    ['SIGXCPU', 'too_slow'],
    ['SIGKILL', 'failed'],
    ['SIGTERM', 'failed'],
  ] as const) {
    test(`that ends by ${signal} during a conversion means ${expected}`, { skip: hasProc }, async () => {
      const [converter, pid] = await startWithPid();
      const conversion = convert(converter, 'voice', slowVoice());
      process.kill(pid, signal);
      assert.equal(await reasonOf(conversion), expected);
      assert.equal(converter.isUsable, false);
    });
  }

  test('that ended between two files is not usable', { skip: hasProc }, async () => {
    const [converter, pid] = await startWithPid();
    process.kill(pid, 'SIGKILL');
    await converter.close();
    assert.equal(converter.isUsable, false);
    assert.equal(await reasonOf(convert(converter, 'voice', VOICE)), 'failed');
  });

  test('ends when the program that started it was killed', { skip: hasProc }, async () => {
    const url = new URL('./killed-parent.ts', import.meta.url).pathname;
    const parent = spawn(process.execPath, [url], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [pids] = (await once(parent.stdout, 'data')) as [Buffer];
    parent.kill('SIGKILL');
    const children = pids.toString().trim().split(' ').map(Number);
    assert.equal(children.length, 1);
    for (const pid of children) await untilGone(pid);
  });

  test('has no secret in its environment, and may neither write files nor start processes', {
    skip: hasProc,
  }, async () => {
    process.env.API_KEYS = 'admin:a-secret-of-this-test';
    const [, pid] = await startWithPid();
    delete process.env.API_KEYS;
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').filter(Boolean);
    const names = environment.map((entry) => entry.split('=')[0]);
    assert.deepEqual(
      names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name as string)),
      ['UV_THREADPOOL_SIZE'],
    );
    const options = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    assert.ok(options.includes('--permission'));
    assert.ok(!options.some((option) => /--allow-(fs-write|child-process|worker)/.test(option)));
  });

  test('is bounded by the system too, and is the first to go when memory runs out', {
    skip: hasProc,
  }, async () => {
    const [, pid] = await startWithPid();
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
    assert.match(limits, /^Max data size +1342177280 /m);
    assert.match(limits, /^Max cpu time +120 /m);
    assert.match(limits, /^Max core file size +0 /m);
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1').trim(), '1000');
  });
});
