/** The conversion of voices, with the real decoders. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { convertVoice } from '../../../src/preview/converter/voice.ts';
import { PreviewRefusedError } from '../../../src/preview/reasons.ts';
import { silkVoiceOf, voiceOf } from '../../../src/simulator/media/voices.ts';
import {
  AMR_SIZES,
  AMR_WB_SIZES,
  amrOf,
  amrSeconds,
  amrWbOf,
  frameOf,
  hertzOf,
  hostileAmr,
  readWav,
  repeat,
  silkOf,
} from '../samples.ts';

const refusalOf = async (bytes: Buffer) => {
  const error = await convertVoice(bytes).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof PreviewRefusedError, String(error));
  return error.reason;
};

describe('a voice as WAV', () => {
  for (const [type, size] of AMR_SIZES.entries()) {
    test(`AMR with frames of type ${type} has 20 ms at 8 kHz for each frame`, async () => {
      const wav = readWav(await convertVoice(amrOf(repeat(frameOf(type, size), 123))));
      assert.deepEqual([wav.sampleRate, wav.samples.length], [8_000, 123 * 160]);
    });
  }
  for (const [type, size] of AMR_WB_SIZES.entries()) {
    test(`AMR-WB with frames of type ${type} has 20 ms at 16 kHz for each frame`, async () => {
      const wav = readWav(await convertVoice(amrWbOf(repeat(frameOf(type, size), 77))));
      assert.deepEqual([wav.sampleRate, wav.samples.length], [16_000, 77 * 320]);
    });
  }

  test('AMR whose frames change their type is decoded frame by frame, over the border of a block', async () => {
    const frames = Array.from({ length: 1_234 }, (_, index) =>
      frameOf(index % 8, AMR_SIZES[index % 8] as number),
    );
    assert.equal(readWav(await convertVoice(amrOf(frames))).samples.length, 1_234 * 160);
  });

  test('is not silent where the frames are not', async () => {
    const wav = readWav(await convertVoice(amrOf(repeat(frameOf(7, 32), 50))));
    assert.ok(wav.samples.some((sample) => Math.abs(sample) > 100));
  });

  for (const kind of ['voice', 'voice16k'] as const) {
    test(`a ${kind} of the simulator lasts as long as it has frames`, async () => {
      for (const seed of [0, 5, 9]) {
        const wav = readWav(await convertVoice(voiceOf(kind, seed).bytes));
        assert.equal(wav.seconds, 2 + seed);
      }
    });
  }

  test('SILK of the simulator lasts as long as it has packets', async () => {
    for (const seed of [0, 5, 9]) {
      const wav = readWav(await convertVoice(silkVoiceOf(seed)));
      assert.deepEqual([wav.sampleRate, wav.seconds], [24_000, 2 + seed]);
    }
  });

  for (const sampleRate of [8_000, 12_000, 16_000, 24_000]) {
    test(`SILK that was made from ${sampleRate} Hz has the tone and the duration of its source`, async () => {
      const silk = await silkOf(sampleRate, 2);
      const wav = readWav(await convertVoice(silk));
      assert.equal(wav.sampleRate, 24_000);
      assert.ok(Math.abs(wav.seconds - 2) <= 0.1, String(wav.seconds));
      assert.ok(Math.abs(hertzOf(wav) - 440) < 10, String(hertzOf(wav)));
    });
  }

  test('SILK without the byte 2 at its start, with an end mark and with bytes behind it is the same voice', async () => {
    const silk = await silkOf(16_000, 1);
    const expected = await convertVoice(silk);
    assert.deepEqual(await convertVoice(silk.subarray(1)), expected);
    const marked = Buffer.concat([silk, Buffer.from([0xff, 0xff]), randomBytes(500)]);
    assert.deepEqual(await convertVoice(marked), expected);
  });

  test('that was cut has the frames before the cut', async () => {
    const whole = amrOf(repeat(frameOf(7, 32), 100));
    assert.equal(readWav(await convertVoice(whole.subarray(0, -40))).samples.length, 98 * 160);
    const silk = await silkOf(16_000, 2);
    const wav = readWav(await convertVoice(silk.subarray(0, silk.length / 2)));
    assert.ok(wav.seconds > 0.5 && wav.seconds < 1.5, String(wav.seconds));
  });

  test('of ten minutes is converted, and one frame more is refused', async () => {
    assert.equal(readWav(await convertVoice(amrSeconds(600))).seconds, 600);
    assert.equal(await refusalOf(Buffer.concat([amrSeconds(600), Buffer.from([0x7c])])), 'too_long');
  });
});

describe('a hostile voice', () => {
  test('that claims millions of frames is refused before a decoder sees it', async () => {
    assert.equal(await refusalOf(hostileAmr()), 'too_long');
    const silk = Buffer.concat([Buffer.from('\x02#!SILK_V3', 'latin1'), Buffer.alloc(4 * 2 ** 20)]);
    assert.equal(await refusalOf(silk), 'too_long');
  });

  for (const [name, bytes] of Object.entries({
    'is empty': Buffer.alloc(0),
    'has only its magic bytes': Buffer.from('#!AMR\n'),
    'has only the magic bytes of AMR-WB': Buffer.from('#!AMR-WB\n'),
    'has only the magic bytes of SILK': Buffer.from('\x02#!SILK_V3', 'latin1'),
    'has half a frame': amrOf([frameOf(7, 32).subarray(0, 20)]),
    'begins with a negative length': Buffer.concat([
      Buffer.from('#!SILK_V3'),
      Buffer.from([0xfe, 0xff]),
      randomBytes(100),
    ]),
    'has a packet that is larger than the memory of the decoder': Buffer.concat([
      Buffer.from('#!SILK_V3'),
      Buffer.from([0x01, 0x14]),
      randomBytes(5_121),
    ]),
    'is a picture under the name of a voice': Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
  })) {
    test(`that ${name} is damaged`, async () => assert.equal(await refusalOf(bytes), 'damaged'));
  }

  test('of random bytes is either noise of the length of its frames or refused', async () => {
    for (const magic of ['#!AMR\n', '#!AMR-WB\n', '\x02#!SILK_V3']) {
      for (let round = 0; round < 10; round++) {
        const bytes = Buffer.concat([Buffer.from(magic, 'latin1'), randomBytes(3_000)]);
        await convertVoice(bytes).then(
          (wav) => readWav(wav),
          (error: unknown) => assert.ok(error instanceof Error),
        );
      }
    }
  });
});
