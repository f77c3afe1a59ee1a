/** Paints small landscapes: a sky, a sun or moon, clouds and hills; deterministic by seed. */

import { createRandom } from '../../runtime/seeded-random.ts';

type Colour = readonly [red: number, green: number, blue: number];

interface Hour {
  readonly above: Colour;
  readonly horizon: Colour;
  readonly light: Colour;
  readonly far: Colour;
  readonly near: Colour;
}

const HOURS: readonly Hour[] = [
  // dawn, noon, late afternoon, dusk, night, a green morning
  {
    above: [74, 98, 168],
    horizon: [255, 196, 160],
    light: [255, 240, 214],
    far: [146, 128, 170],
    near: [44, 40, 74],
  },
  {
    above: [58, 134, 214],
    horizon: [206, 234, 250],
    light: [255, 252, 232],
    far: [126, 170, 176],
    near: [34, 92, 66],
  },
  {
    above: [96, 150, 190],
    horizon: [252, 226, 170],
    light: [255, 236, 170],
    far: [184, 160, 120],
    near: [92, 74, 44],
  },
  {
    above: [52, 34, 92],
    horizon: [244, 116, 82],
    light: [255, 208, 130],
    far: [124, 62, 98],
    near: [30, 20, 48],
  },
  {
    above: [12, 18, 46],
    horizon: [58, 76, 128],
    light: [240, 244, 255],
    far: [34, 46, 88],
    near: [10, 14, 32],
  },
  {
    above: [92, 176, 168],
    horizon: [240, 248, 214],
    light: [255, 255, 240],
    far: [128, 184, 140],
    near: [28, 78, 60],
  },
];

/** Moves a colour towards another, in place: the pixel loop must not allocate. */
function approach(colour: number[], to: Colour, share: number): void {
  const part = Math.min(1, Math.max(0, share));
  for (let channel = 0; channel < 3; channel++) colour[channel]! += (to[channel]! - colour[channel]!) * part;
}

const blend = (from: Colour, to: Colour, share: number): Colour => {
  const [red, green, blue] = from;
  const mixed: [number, number, number] = [red, green, blue];
  approach(mixed, to, share);
  return mixed;
};

const distanceOf = (across: number, down: number): number => Math.sqrt(across * across + down * down);

export interface Painting {
  readonly width: number;
  readonly height: number;
  /** Three bytes a pixel: red, green, blue. */
  readonly pixels: Uint8Array;
}

/**
 * A landscape of that size. `time` in [0, 1] moves the sun along its arc and nothing else, so that a film of it
 * changes little from frame to frame.
 */
export function paintScene(scene: { seed: number; width: number; height: number; time?: number }): Painting {
  const { width, height } = scene;
  const random = createRandom(scene.seed * 2654435761);
  const hour = HOURS[scene.seed % HOURS.length]!;
  const time = scene.time ?? random();
  const sunRadius = 0.045 + random() * 0.04;
  const sun = { x: 0.12 + time * 0.76, y: 0.62 - Math.sin((0.1 + time * 0.8) * Math.PI) * 0.42 };
  const clouds = Array.from({ length: 3 }, () => ({
    x: random(),
    y: 0.1 + random() * 0.25,
    size: 0.05 + random() * 0.08,
  }));
  const hills = Array.from({ length: 4 }, (_, layer) => {
    const [base, swell, phase, pitch] = [
      0.5 + layer * 0.12,
      0.03 + random() * 0.06,
      random() * 9,
      2 + random() * 4,
    ];
    return (x: number) =>
      base + Math.sin(x * pitch + phase) * swell + Math.sin(x * pitch * 3.1 + phase * 2) * swell * 0.35;
  });
  // What depends on the row or the layer alone is mixed once: the pixel loop decides how long a picture takes.
  const sky = Array.from({ length: height }, (_, row) => blend(hour.above, hour.horizon, row / height / 0.6));
  const slopes = hills.map((_, layer) => blend(hour.far, hour.near, layer / 3));
  const pixels = new Uint8Array(width * height * 3);
  const colour = [0, 0, 0];
  for (let column = 0; column < width; column++) {
    const x = column / width;
    const ridges = hills.map((ridge) => ridge(x));
    for (let row = 0; row < height; row++) {
      const y = row / height;
      let layer = ridges.length - 1;
      while (layer >= 0 && y < ridges[layer]!) layer--;
      const from = layer >= 0 ? slopes[layer]! : sky[row]!;
      for (let channel = 0; channel < 3; channel++) colour[channel] = from[channel]!;
      if (layer >= 0) {
        approach(colour, hour.near, (y - ridges[layer]!) * 1.2);
      } else {
        for (const cloud of clouds) {
          const distance = distanceOf((x - cloud.x) / 2.6, y - cloud.y) / cloud.size;
          if (distance < 1) approach(colour, hour.light, (1 - distance) * 0.5);
        }
        const distance = distanceOf((x - sun.x) * (width / height), y - sun.y) / sunRadius;
        if (distance < 1.8) approach(colour, hour.light, distance < 1 ? 1 : (1.8 - distance) * 0.5);
      }
      const at = (row * width + column) * 3;
      for (let channel = 0; channel < 3; channel++) pixels[at + channel] = colour[channel]!;
    }
  }
  return { width, height, pixels };
}
