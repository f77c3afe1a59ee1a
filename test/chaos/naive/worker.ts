/** The naive worker: axios as a stream into lib-storage's Upload, three attempts with exponential backoff. */
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import axios, { type AxiosResponse } from 'axios';
import { type Job, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { accounts, QUEUE, redisUrl } from './accounts.ts';
import type { NaiveAccount } from './callback.ts';

const api = axios.create({ baseURL: process.env.WECHAT_API_BASE_URL ?? '', timeout: 10_000 });
const cache = new Redis(redisUrl);
cache.on('error', (error) => console.error(error.message));
const s3 = new S3Client({
  endpoint: process.env.S3_ENDPOINT ?? '',
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: {
    accessKeyId: process.env.S3_ACCESS_KEY_ID ?? '',
    secretAccessKey: process.env.S3_SECRET_ACCESS_KEY ?? '',
  },
});

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'audio/amr': 'amr',
  'video/mp4': 'mp4',
  'video/mpeg4': 'mp4',
};
const BAD_TOKEN = new Set([40001, 40014, 42001]);
const tokenKey = (account: NaiveAccount) => `token:${account.account}`;

/** Shared in Redis until shortly before its end. */
async function tokenOf(account: NaiveAccount): Promise<string> {
  const cached = await cache.get(tokenKey(account));
  if (cached) return cached;
  const { appId, secret } = account;
  const { data } =
    account.product === 'wecom'
      ? await api.get('/cgi-bin/gettoken', { params: { corpid: appId, corpsecret: secret } })
      : await api.post('/cgi-bin/stable_token', { grant_type: 'client_credential', appid: appId, secret });
  if (!data.access_token) throw new Error(`no token: ${data.errcode} ${data.errmsg}`);
  await cache.set(tokenKey(account), data.access_token, 'EX', Math.max(1, data.expires_in - 300));
  return data.access_token;
}

async function textOf(response: AxiosResponse): Promise<string> {
  let text = '';
  for await (const chunk of response.data) text += chunk;
  return text;
}

async function archive({ data }: Job<{ account: string; mediaId: string }>): Promise<void> {
  const account = accounts.find((one) => one.account === data.account);
  if (!account) throw new Error('unknown account');
  const params = { access_token: await tokenOf(account), media_id: data.mediaId };
  let response = await api.get('/cgi-bin/media/get', { params, responseType: 'stream' });
  if (/json|text/.test(String(response.headers['content-type']))) {
    const answer = JSON.parse(await textOf(response));
    if (BAD_TOKEN.has(answer.errcode)) await cache.del(tokenKey(account));
    if (!answer.video_url) throw new Error(`${answer.errcode} ${answer.errmsg}`);
    response = await api.get(answer.video_url, { responseType: 'stream' });
  }
  const type = String(response.headers['content-type']);
  const upload = new Upload({
    client: s3,
    params: {
      Bucket: process.env.S3_BUCKET ?? '',
      Key: `${data.account}/${data.mediaId}.${EXTENSIONS[type] ?? 'bin'}`,
      Body: response.data,
      ContentType: type,
    },
  });
  await upload.done();
}

const worker = new Worker(QUEUE, archive, { connection: { url: redisUrl }, concurrency: 16 });
worker.on('failed', (job, error) => console.error(job?.id, error.message));
worker.on('error', (error) => console.error(error.message));
console.log('worker: started');
