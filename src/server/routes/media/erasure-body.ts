/** The body of POST /v1/erasures. */
import { z } from 'zod';
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
    const addIssue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    const given = [openId, ids, filter].filter((selection) => selection !== undefined);
    if (given.length !== 1) addIssue(['openId'], 'specify one of openId, ids and filter');
    if (!filter && account === undefined) addIssue(['account'], 'is required with openId and with ids');
    if (filter) {
      if (Object.keys(filter).length === 0) addIssue(['filter'], 'is empty: it would erase everything');
      if (account !== undefined && filter.account) addIssue(['filter', 'account'], 'is given twice');
      refuseStatuses(context, filter, (status) => status === 'erased', 'these are erased already');
    }
    refusePersonInReason(context, reason, filter ?? { openId });
  });

export type ErasureBody = z.infer<typeof erasureBody>;

/** Whether a filter selects all items of one person, of which there may be any number. */
export const isOfOnePerson = (filter: FilterBody): boolean =>
  filter.openId !== undefined &&
  Object.keys(filter).every((field) => field === 'openId' || field === 'account');
