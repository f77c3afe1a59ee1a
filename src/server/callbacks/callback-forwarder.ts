/**
 * Forwards callbacks of accounts that already have a handler, while the media items of the callback are accepted here.
 * WeChat gets the handler's reply, but only after the items are durable, because WeChat does not send a callback again
 * after a reply. If the reply or the write is not complete after 4.4 s, WeChat gets 504 and sends the callback again.
 * The handler then gets it twice, which also happens without this service.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Account } from '../../account.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { RepeatedLog } from '../../runtime/repeated-log.ts';
import { withTimeout } from '../../runtime/timeout.ts';
import { Problem } from '../problem.ts';
import type { Upstream, UpstreamReply } from './upstream.ts';

/** WeChat waits 5 s. The response should be sent within 4.5 s, and the timers of a busy process fire late. */
const TOTAL_MS = 4_400;

export interface CallbackForwarder {
  /**
   * `durable` resolves when the media items are on disk, and rejects if they cannot be written. Rejects with a Problem
   * of status 504.
   */
  forward(
    account: Account & { upstreamUrl: string },
    callback: { query: string; headers: IncomingHttpHeaders; body: Buffer },
    durable: Promise<unknown>,
  ): Promise<UpstreamReply>;
}

const SUCCESS: UpstreamReply = {
  status: 200,
  contentType: 'text/plain; charset=utf-8',
  contentEncoding: undefined,
  body: Buffer.from('success'),
};

export function createCallbackForwarder(deps: {
  upstream: Pick<Upstream, 'post'>;
  metrics: Pick<Metrics, 'upstream'>;
  repeatedLog: Pick<RepeatedLog, 'write'>;
}): CallbackForwarder {
  return {
    forward: async (account, callback, durable) => {
      const { account: id, upstreamUrl, upstreamOnFailure = 'fail' } = account;
      const [reply, written] = await Promise.allSettled([
        deps.upstream.post(upstreamUrl, callback, AbortSignal.timeout(TOTAL_MS)),
        withTimeout(durable, TOTAL_MS, 'writing the callback'),
      ]);

      if (written.status === 'rejected') {
        deps.metrics.upstream.inc({ outcome: 'not_written' });
        deps.repeatedLog.write(
          'error',
          `not written ${id}`,
          { account: id, err: written.reason },
          'callbacks: media items not written in time, WeChat gets 504 and sends again',
        );
        throw new Problem('not_written');
      }
      if (reply.status === 'rejected') {
        deps.metrics.upstream.inc({ outcome: 'failed' });
        deps.repeatedLog.write(
          'warn',
          `upstream ${id}`,
          { account: id, why: String(reply.reason?.message) },
          'callbacks: handler of upstreamUrl failed',
        );
        if (upstreamOnFailure === 'success') return SUCCESS;
        throw new Problem('upstream_failed', { detail: 'the handler of upstreamUrl did not reply' });
      }
      const isFailure = reply.value.status >= 500;
      deps.metrics.upstream.inc({ outcome: isFailure ? 'failed' : 'replied' });
      return isFailure && upstreamOnFailure === 'success' ? SUCCESS : reply.value;
    },
  };
}
