/** A span for each download, until its first bytes are classified; the rest is read during the upload. */

import { ATTRIBUTES as A } from '../../runtime/tracing/attributes.ts';
import { setStatus, traceRequest } from '../../runtime/tracing/requests.ts';
import type { Tracer } from '../../runtime/tracing/tracer.ts';
import type { GetClassified } from './media-body.ts';

export function traceDownloads(tracer: Tracer, get: GetClassified): GetClassified {
  if (!tracer.isOn) return get;
  return (url, request, signal) => {
    const { path } = request;
    const traced = { method: 'GET', url, onlyInside: true, ...(path ? { path } : {}) };
    return traceRequest(tracer, traced, async (span) => {
      const got = await get(url, request, signal);
      const { response, bodyClass } = got;
      setStatus(span, response.status);
      if (bodyClass.is === 'errcode') {
        span.set({ [A.errcode]: bodyClass.errcode });
        span.fail('errcode');
      } else if (bodyClass.is === 'failure') span.fail(bodyClass.code);
      return got;
    });
  };
}
