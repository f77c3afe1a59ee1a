/** The body of POST /v1/erasures. */
import { z } from 'zod';
import type { LocalizedText } from '../../../explanation.ts';
import { refuse } from '../../../field-errors.ts';
import { trimmedText } from '../field-schemas.ts';
import { type FilterBody, filterSchema, refusePersonInReason, refuseStatuses } from '../filter-body.ts';
import { mediaId } from './find-media.ts';

/** The most items of one request that does not name a person. */
export const ID_LIMIT = 1_000;

export const reason = trimmedText(300)
  .describe('stored permanently in the audit log: do not include personal data')
  .optional();

export const erasureBody = z
  .strictObject({
    account: trimmedText(128).optional().describe('required with openId and with ids'),
    openId: trimmedText(128)
      .optional()
      .describe('erases all media items of messages that this user has sent'),
    ids: z.array(mediaId).min(1).max(ID_LIMIT).optional(),
    filter: filterSchema
      .optional()
      .describe(`at most ${ID_LIMIT} media items, unless it consists of an openId and accounts`),
    reason,
    dryRun: z.boolean().default(false).describe('only counts what would be erased, with thumbs and variants'),
  })
  .superRefine(({ account, openId, ids, filter, reason }, context) => {
    const addIssue = (path: string[], text: LocalizedText) => refuse(context, text, path);
    const given = [openId, ids, filter].filter((selection) => selection !== undefined);
    if (given.length !== 1)
      addIssue(['openId'], {
        en: 'is one of three: specify either openId, ids or filter',
        zh: '请指定 openId、ids、filter 三者之一',
      });
    if (!filter && account === undefined)
      addIssue(['account'], {
        en: 'is required with openId and with ids',
        zh: '与 openId 或 ids 同时使用时为必填项',
      });
    if (filter) {
      if (Object.keys(filter).length === 0)
        addIssue(['filter'], { en: 'is empty: it would erase everything', zh: '为空：会擦除全部素材' });
      if (account !== undefined && filter.account)
        addIssue(['filter', 'account'], { en: 'is given twice', zh: '重复指定' });
      refuseStatuses(context, filter, (status) => status === 'erased', {
        en: 'these are erased already',
        zh: '这些素材已擦除',
      });
    }
    refusePersonInReason(context, reason, filter ?? { openId });
  });

export type ErasureBody = z.infer<typeof erasureBody>;

/** Whether a filter selects all items of one person, of which there may be any number. */
export const isOfOnePerson = (filter: FilterBody): boolean =>
  filter.openId !== undefined &&
  Object.keys(filter).every((field) => field === 'openId' || field === 'account');
