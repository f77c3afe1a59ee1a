/** The fields of events. None has a media id; some look as if they had one. */
import { createHash } from 'node:crypto';
import type { Fields } from './message-text.ts';

/** Announces photos by their digests; each photo follows as a message of its own. */
const photos = (seed: number): Fields => ({
  EventKey: 'photo',
  SendPicsInfo: {
    Count: 1,
    PicList: [{ PicMd5Sum: createHash('md5').update(`photo ${seed}`).digest('hex') }],
  },
});

/** The fields after `Event`, by its name. An event of another name has an empty EventKey. */
export const EVENTS: Readonly<Record<string, (seed: number) => Fields>> = {
  SCAN: (seed) => ({ EventKey: String(seed), Ticket: 'gQH47joAAAAAAAAAASxodHRwOi8vd2VpeGluLnFxLmNvbS9xL2' }),
  LOCATION: () => ({ Latitude: '23.137466', Longitude: '113.352425', Precision: '119.385040' }),
  VIEW: () => ({ EventKey: 'https://example.com/menu', MenuId: 401_234_567 }),
  pic_sysphoto: photos,
  pic_photo_or_album: photos,
  pic_weixin: photos,
  // MsgID with a capital D.
  TEMPLATESENDJOBFINISH: (seed) => ({ MsgID: 200_163_000_000_000_000n + BigInt(seed), Status: 'success' }),
  user_enter_tempsession: () => ({ SessionFrom: 'sessionFrom' }),
};

export const eventFields = (name: string, seed: number): Fields => ({
  Event: name,
  ...(EVENTS[name]?.(seed) ?? { EventKey: '' }),
});
