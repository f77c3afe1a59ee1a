/** The obvious program: axios as a stream through a hash into lib-storage's Upload, all with defaults. */
import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import axios from 'axios';
import { BUCKET, KEYS, type OpenVariant, REGION, sourceUrl } from './variant.ts';

export const openNaive: OpenVariant = ({ originUrl, sinkUrl }) => {
  const client = new S3Client({
    endpoint: sinkUrl,
    region: REGION,
    credentials: KEYS,
    forcePathStyle: true,
  });
  let serial = 0;
  return {
    move: async (file) => {
      const response = await axios.get(sourceUrl(originUrl, file), { responseType: 'stream' });
      const hash = createHash('sha256');
      const hashed = new Transform({
        transform: (chunk, _encoding, done) => {
          hash.update(chunk);
          done(null, chunk);
        },
      });
      const upload = new Upload({
        client,
        params: {
          Bucket: BUCKET,
          Key: `naive-${++serial}`,
          Body: hashed,
          ContentType: String(response.headers['content-type']),
        },
      });
      await Promise.all([pipeline(response.data, hashed), upload.done()]);
      hash.digest('hex');
    },
  };
};
