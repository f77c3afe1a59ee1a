/**
 * Checks of the store: one for each failure of ../../store-failures.ts, with its texts. A probe meets one of them at a
 * time. A store hold has the same cause, so only the hold raises an alert.
 */
import { isStoreAway, STORE_FAILURES, type StoreFailureCode } from '../../store-failures.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { StoreFinding } from '../maintenance/store-check.ts';
import { type Check, type Facts, findCounted, fixedText } from './check.ts';

const ended = fixedText('The storage accepts objects again.', '对象存储已恢复写入。');
/** The code of a probe without a response in time. */
const SILENCE: StoreFailureCode = 'store_unavailable';
const meets = ({ store }: Facts, code: StoreFailureCode): boolean =>
  store?.ok === false && (store.failure?.code ?? SILENCE) === code;

const probeCheck = (code: StoreFailureCode): Check => {
  const { message, advice } = STORE_FAILURES[code];
  return {
    severity: 'error',
    component: 'store',
    rule: `A probe of the store fails with it.${isStoreAway(code) ? ' The alert is sent after two minutes.' : ''} Ends when a probe succeeds.`,
    begun: () => message,
    ended,
    advice: () => advice,
    find: (facts) => facts.store && (meets(facts, code) ? [{}] : []),
    alertUnless: ['store_held'],
    ...(isStoreAway(code) ? { alertAfterMs: 2 * 60_000 } : {}),
  };
};

/** A wrong clock is a fault of the process that probes: its check is in processes.ts. */
type Probed = Exclude<StoreFailureCode, 'store_refused' | 'clock_skewed'>;
const PROBED = (Object.keys(STORE_FAILURES) as StoreFailureCode[]).filter(
  (code): code is Probed => code !== 'store_refused' && code !== 'clock_skewed',
);
const PROBE_CHECKS = Object.fromEntries(PROBED.map((code) => [code, probeCheck(code)])) as Record<
  Probed,
  Check
>;

const examined = (findings: readonly StoreFinding[] | undefined) =>
  findings?.map(({ message, advice }) => ({
    detail: {
      message: message.en,
      messageZh: message.zh,
      advice: advice?.en ?? '',
      adviceZh: advice?.zh ?? '',
    },
  }));

export const STORE_CHECKS = {
  store_held: {
    severity: 'error',
    component: 'store',
    rule: 'The store accepted neither a media item nor a test object, because it refuses writes or is unavailable: all archiving waits. Ends when it accepts a test object.',
    begun: ({ detail }) => {
      const { message } = explain({ code: String(detail.code ?? 'store_unavailable') });
      return { en: `All archiving is held: ${message.en}`, zh: `归档已全部暂停：${message.zh}` };
    },
    ended: fixedText(
      'The storage accepts objects again; archiving continues.',
      '对象存储已恢复，归档继续进行。',
    ),
    advice: ({ detail }) => explain({ code: String(detail.code ?? 'store_unavailable') }).advice,
    find: ({ storeHold }) =>
      storeHold &&
      (storeHold.hold
        ? [{ since: storeHold.hold.since, detail: { code: storeHold.hold.failure.code } }]
        : []),
  },
  ...PROBE_CHECKS,
  store_incomplete: {
    severity: 'error',
    component: 'store',
    rule: 'The doctor tried every operation that a store must support (writing in one piece and in parts, reading, links, deleting), and one failed.',
    begun: ({ detail }) => ({ en: `${detail.message}`, zh: `${detail.messageZh}` }),
    ended,
    advice: ({ detail }) => ({ en: `${detail.advice}`, zh: `${detail.adviceZh}` }),
    // Only the doctor runs this test.
    except: ['readyz', 'alerts', 'page'],
    find: ({ storeFindings: storeExamined }) => examined(storeExamined?.filter(({ ok }) => !ok)),
  },
  store_limited: {
    severity: 'notice',
    component: 'store',
    rule: 'The doctor tried each right of the access key that README lists, and one is missing that archiving does not need; or the bucket retains what is erased (Object Lock).',
    begun: ({ detail }) => ({ en: `${detail.message}`, zh: `${detail.messageZh}` }),
    ended,
    advice: ({ detail }) => ({ en: `${detail.advice}`, zh: `${detail.adviceZh}` }),
    except: ['readyz', 'alerts', 'page'],
    find: ({ storeFindings: storeExamined }) =>
      examined(storeExamined?.filter(({ ok, advice }) => ok && advice)),
  },
  store_refused: {
    severity: 'error',
    component: 'store',
    rule: 'The store refused media items at their last attempt, or refuses a test object, and archiving as a whole is not held. Ends when no such item is left and a test object is accepted.',
    begun: ({ count, detail }) =>
      detail.probed
        ? STORE_FAILURES.store_refused.message
        : { en: `The storage refused ${count} media items.`, zh: `对象存储拒绝了 ${count} 个素材。` },
    ended: fixedText('The storage refuses nothing any more.', '对象存储不再拒绝任何写入。'),
    advice: () => STORE_FAILURES.store_refused.advice,
    find: (facts) => {
      if (meets(facts, 'store_refused')) return [{ detail: { probed: 1 } }];
      return facts.storeHold?.hold ? [] : findCounted(facts.storeRefused);
    },
    alertUnless: ['store_held'],
  },
} as const satisfies Record<string, Check>;
