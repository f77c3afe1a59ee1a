/** An S3 that is not the service's own: another server, named by S3_*. */
import type { TestContext } from 'node:test';
import { BUCKET, CREDENTIALS, setup } from '../embedded/s3/s3-for-test.ts';

export async function foreignS3(t: TestContext) {
  const { server, client } = await setup(t);
  return {
    client: client(),
    env: {
      S3_ENDPOINT: server.endpoint,
      S3_BUCKET: BUCKET,
      S3_ADDRESSING: 'path',
      S3_REGION: CREDENTIALS.region,
      S3_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      S3_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
  };
}
