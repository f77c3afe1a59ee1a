/**
 * Ways of breaking the product on purpose: each replaces one dependency of a program by one that does not do its work.
 * Each must show in a cell of the table, or the table would prove nothing.
 */
import type { AppContext } from '../../src/app/app-context.ts';
import { idOf } from '../../src/media.ts';
import { decryptAtRest } from '../../src/wechat/tokens/encrypt-at-rest.ts';
import type { SabotageMode } from './sabotage-modes.ts';

type Sabotage = (context: AppContext) => AppContext;

const WRITE_LATER_MS = 5_000;

/** The chunks but for the last byte of each. */
async function* cut(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield chunk.subarray(0, -1);
}

export const SABOTAGES: Readonly<Record<SabotageMode, Sabotage>> = {
  /** The response is `success` before the row is written: a process that dies in between has lost the item. */
  'answer-before-commit': (context) => ({
    ...context,
    accept: async (references) => {
      setTimeout(() => void context.accept(references).catch(() => undefined), WRITE_LATER_MS);
      return references.map(({ account, mediaId }) => ({
        id: idOf(account, mediaId),
        account,
        status: 'pending',
        created: true,
      }));
    },
  }),

  /** A failure counts whichever generation it is of: a job that came back from a backup decides about the row. */
  'no-round-guard': (context) => {
    const { outcomes } = context.catalogue;
    const markFailed: typeof outcomes.markFailed = async (of, ...rest) => {
      const { schema } = context.config.database;
      const rows = await context.database.query<{ generation: number }>(
        `SELECT generation FROM ${schema}.media WHERE id = $1`,
        [of.id],
      );
      return outcomes.markFailed({ ...of, generation: rows[0]?.generation ?? of.generation }, ...rest);
    };
    return { ...context, catalogue: { ...context.catalogue, outcomes: { ...outcomes, markFailed } } };
  },

  /** Rows whose job is gone are not found. */
  'no-repair': (context) => {
    const { queue } = context.catalogue;
    return {
      ...context,
      catalogue: { ...context.catalogue, queue: { ...queue, listClaimedBefore: async () => [] } },
    };
  },

  /** Bodies lose bytes on their way into the store, and their length is not compared. */
  'body-cut': (context) => ({
    ...context,
    store: {
      ...context.store,
      put: (object) => context.store.put({ ...object, body: cut(object.body), expect: undefined }),
    },
  }),

  /** A token is logged under a name that the redaction does not know. */
  'token-logged': (context) => {
    const { accounts } = context.catalogue;
    const write: typeof accounts.tokens.write = (account, token, ...rest) => {
      const owner = context.accounts.find(account);
      if (owner) context.log.info({ given: decryptAtRest(owner, token.encrypted) }, 'token stored');
      return accounts.tokens.write(account, token, ...rest);
    };
    return {
      ...context,
      catalogue: {
        ...context.catalogue,
        accounts: { ...accounts, tokens: { ...accounts.tokens, write } },
      },
    };
  },
};
