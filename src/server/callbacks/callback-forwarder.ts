/**
 * For accounts that have a handler already: the callback is passed on while its media are accepted here. WeChat gets
 * the handler's reply, but only once the media are on disk: a reply ends the matter for WeChat, and what was not
 * written down by then would be lost. Where either is missing after 4.4 s WeChat gets 504 and sends again, to the
 * handler too, which must bear repeats anyway.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Account } from '../../account.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { RepeatedLog } from '../../runtime/repeated-log.ts';
import { Problem } from '../problem.ts';
import type { Upstream, UpstreamReply } from './upstream.ts';

/** WeChat waits 5 s; the answer is to be on its way after 4.5, and timers of a busy process are late. */
const ALL_MS = 4_400;

export interface CallbackForwarder {
  /** `durable`: settles when the media are on disk, or cannot be. Throws Problem, status 504. */
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
      const { account: of, upstreamUrl, upstreamOnFailure = 'fail' } = account;
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), ALL_MS);
      const [reply, written] = await Promise.allSettled([
        deps.upstream.post(upstreamUrl, callback, limit.signal),
        Promise.race([durable, late(limit.signal)]),
      ]).finally(() => clearTimeout(timer));

      if (written.status === 'rejected') {
        deps.metrics.upstream.inc({ outcome: 'not_written' });
        deps.repeatedLog.write(
          'error',
          `not written ${of}`,
          { account: of, err: written.reason },
          'the media of a callback could not be written in time; WeChat is told to send it again',
        );
        throw new Problem('not_written');
      }
      if (reply.status === 'rejected') {
        deps.metrics.upstream.inc({ outcome: 'failed' });
        deps.repeatedLog.write(
          'warn',
          `upstream ${of}`,
          { account: of, why: String(reply.reason?.message) },
          'the handler of an account failed',
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

function late(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const leave = () => reject(new Error(`not on disk after ${ALL_MS} ms`));
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
