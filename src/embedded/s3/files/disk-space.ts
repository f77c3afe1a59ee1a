/** A body is turned away before its first byte when the disk could not take it and keep its floor. */
import { statfs } from 'node:fs/promises';
import { S3Error } from '../protocol/responses.ts';

export interface DiskSpace {
  /** Holds `bytes` until the returned function is called, so that bodies on their way count already. */
  reserve(bytes: number): Promise<() => void>;
}

/** @throws S3Error InsufficientStorage (507), from `reserve`. */
export function createDiskSpace(folder: string, floorBytes: number): DiskSpace {
  let reservedBytes = 0;
  return {
    reserve: async (bytes) => {
      reservedBytes += bytes;
      try {
        const { bavail, bsize } = await statfs(folder);
        if (bavail * bsize - reservedBytes < floorBytes)
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
