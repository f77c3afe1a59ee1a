/**
 * The naive way, as a competent developer writes it from the READMEs: the handler adds a job and responds with `success`. The
 * media id is the job's id, so that WeChat's repeats make no second job.
 */
import { Queue } from 'bullmq';
import fastify from 'fastify';
import { accounts, QUEUE, redisUrl } from './accounts.ts';
import { mediaIdsOf } from './callback.ts';

const queue = new Queue(QUEUE, {
  connection: { url: redisUrl },
  defaultJobOptions: {
    attempts: 3,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
  },
});
queue.on('error', (error) => console.error(error.message));

const app = fastify();
app.addContentTypeParser('text/xml', { parseAs: 'string' }, (_request, body, done) => done(null, body));
app.get('/readyz', () => 'ok');
app.post('/wechat/:account', async (request, reply) => {
  const { account: name } = request.params as { account: string };
  const account = accounts.find((one) => one.account === name);
  if (!account) return reply.code(404).send();
  const query = new URLSearchParams(request.url.split('?')[1]);
  for (const mediaId of mediaIdsOf(account, query, request.body as string))
    await queue.add('archive', { account: name, mediaId }, { jobId: `${name}-${mediaId}` });
  return reply.type('text/plain').send('success');
});
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
