/** Refuses a body before its first byte where it would leave too little free space on the disk. */
import { freeBytes } from '../../../runtime/disk/disk-space.ts';
import { S3Error } from '../protocol/responses.ts';

export interface DiskSpace {
  /** Counts `bytes` as used until the returned function is called, because bodies in progress are not on disk yet. */
  reserve(bytes: number): Promise<() => void>;
}

/** @throws S3Error InsufficientStorage (507), from `reserve`. */
export function createDiskSpace(folder: string, floorBytes: number): DiskSpace {
  let reservedBytes = 0;
  return {
    reserve: async (bytes) => {
      reservedBytes += bytes;
      try {
        if ((await freeBytes(folder)) - reservedBytes < floorBytes)
          throw new S3Error('InsufficientStorage', 'Free space on the disk is below the floor.');
      } catch (error) {
        reservedBytes -= bytes;
        throw error;
      }
      return () => {
        reservedBytes -= bytes;
        bytes = 0;
      };
    },
  };
}
