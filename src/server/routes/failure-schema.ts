/** The schema of a failure. Media items, account holds and the store use it. */
import { z } from 'zod';

export const failureSchema = z
  .object({
    code: z.string().describe('stable machine name'),
    class: z.string(),
    errcode: z.number().int().optional().describe("WeChat's own number"),
    errmsg: z.string().optional(),
    rid: z.string().optional().describe("Tencent's request id; their support asks for it"),
    detail: z.string().optional(),
    message: z.string().describe('what happened, in the language of Accept-Language'),
    advice: z.string().describe('what to do'),
  })
  .meta({ id: 'Failure' });
