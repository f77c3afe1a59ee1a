/** The schema of groups of dead letters, as /v1/dead-letters and the preview of a redrive return them. */
import { z } from 'zod';
import { failureExample } from '../failure-schema.ts';
import { count, responseTime } from '../field-schemas.ts';

export const deadLetterGroupsSchema = z.array(
  z
    .object({
      account: z.string(),
      code: z.string(),
      errcode: z.number().int().optional(),
      class: z.string().optional(),
      count,
      firstAt: responseTime,
      lastAt: responseTime,
      message: z.string(),
      advice: z.string(),
    })
    .meta({ id: 'DeadLetterGroup' }),
);

export const groupsExample = [
  {
    account: 'wx0123456789abcdef',
    code: failureExample.code,
    errcode: failureExample.errcode,
    class: failureExample.class,
    count: 3,
    firstAt: '2026-11-20T08:00:02.733Z',
    lastAt: '2026-11-20T09:12:40.018Z',
    message: failureExample.message,
    advice: failureExample.advice,
  },
];
