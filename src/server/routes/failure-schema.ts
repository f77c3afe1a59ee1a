/** The schema of a failure. Media items, account holds and the store use it. */
import { z } from 'zod';
import { explain } from '../../wechat/api/errcodes.ts';

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

const FAILED = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;

export const failureExample = {
  ...FAILED,
  errmsg: 'invalid media_id',
  rid: '6565f1c2-4b7a9d3e-1f0c2b8a',
  message: explain(FAILED).message.en,
  advice: explain(FAILED).advice.en,
};
