/** Checks of media items that are lost or may be lost soon. */
import { MAX_CLOSED_COUNT } from '../../catalogue/alerts/facts.ts';
import {
  type Check,
  findCounted,
  fixedText,
  formatDuration,
  type LocalizedText,
  type NamedFinding,
} from './check.ts';

const nearest = ({ detail }: NamedFinding): LocalizedText => {
  const seconds = Number(detail.nearestSeconds ?? 0);
  return seconds > 0
    ? {
        en: `the nearest deadline is in ${formatDuration(seconds)}`,
        zh: `最近的截止时间还有 ${formatDuration(seconds)}`,
      }
    : { en: 'the nearest deadline has passed', zh: '最近的截止时间已过' };
};

/** Above this number, items that are dead or expired are not counted. */
const closedCount = ({ count }: NamedFinding): LocalizedText =>
  count < MAX_CLOSED_COUNT
    ? { en: String(count), zh: String(count) }
    : { en: 'At least 10,000', zh: '至少 10,000' };

const SEE_EXPIRED = fixedText(
  'See the reasons in GET /v1/media?status=expired. Redrive with force what WeChat still has, then acknowledge the rest: wma acknowledge expired.',
  '原因见 GET /v1/media?status=expired；若微信仍保留素材，可强制重新归档（force）；其余的请确认：wma acknowledge expired。',
);

export const MEDIA_CHECKS = {
  at_risk: {
    severity: 'error',
    component: 'media',
    rule: 'Media items known for five minutes are not archived and within a twelfth of their lifetime (6 h) of their deadline, or past it. Ends when none is left.',
    begun: (it) => ({
      en: `${it.count} media items are close to expiring and not archived: ${nearest(it).en}.`,
      zh: `${it.count} 个素材即将过期且尚未归档：${nearest(it).zh}。`,
    }),
    ended: fixedText('No media item is close to expiring any more.', '已没有即将过期的素材。'),
    advice: fixedText(
      'Check the held accounts and the failures of pending media items, on the dashboard or in GET /v1/stats.',
      '请在控制台或 GET /v1/stats 查看被暂停的账号和待归档素材的失败原因。',
    ),
    find: ({ atRisk, now }) => {
      if (!atRisk) return undefined;
      const { count, expiresAt } = atRisk;
      if (count === 0 || !expiresAt) return [];
      const nearestSeconds = Math.round((expiresAt.getTime() - now.getTime()) / 1000);
      return [{ count, detail: { nearestSeconds } }];
    },
  },
  expired: {
    severity: 'error',
    component: 'media',
    rule: 'Media items expired: WeChat has deleted them. `count` is that of the last 6 h, so a repeated alert counts those since the last one. Ends when none has expired for 6 h, or all are acknowledged, redriven or erased.',
    begun: (it) => ({
      en: `${closedCount(it).en} media items expired before they could be archived.`,
      zh: `${closedCount(it).zh} 个素材在归档前已过期。`,
    }),
    ended: fixedText('No media item has expired for six hours.', '最近六小时内没有素材过期。'),
    advice: SEE_EXPIRED,
    find: ({ expired }) => findCounted(expired?.recent),
  },
  lost: {
    severity: 'warning',
    component: 'media',
    rule: 'Media items expired, at any time, and no operator has acknowledged it. Ends when they are acknowledged (`wma acknowledge expired`), redriven or erased; not with time. Items that expire later show again. `count` is at most 10,000.',
    begun: (it) => ({
      en: `${closedCount(it).en} media items expired and are lost; not acknowledged yet.`,
      zh: `${closedCount(it).zh} 个素材已过期丢失，尚未确认。`,
    }),
    ended: fixedText('Every lost media item is acknowledged.', '所有丢失的素材均已确认。'),
    advice: SEE_EXPIRED,
    // `expired` has raised the alert, and the service is ready although items were lost.
    except: ['alerts', 'readyz'],
    find: ({ expired }) => findCounted(expired?.all),
  },
  dead_letters: {
    severity: 'notice',
    component: 'media',
    rule: 'Media items failed for good, at any time, and no operator has acknowledged it. Ends when they are acknowledged (`wma acknowledge dead`), redriven or erased; not with time. Items that fail later show again. `count` is at most 10,000.',
    begun: (it) => ({
      en: `${closedCount(it).en} media items failed for good (dead letters); not acknowledged yet.`,
      zh: `${closedCount(it).zh} 个素材归档失败（死信），尚未确认。`,
    }),
    ended: fixedText('Every dead letter is acknowledged.', '所有死信均已确认。'),
    advice: fixedText(
      'See the reasons with wma dead-letters or GET /v1/dead-letters, correct them, and redrive the items; then acknowledge the rest: wma acknowledge dead.',
      '请用 wma dead-letters 或 GET /v1/dead-letters 查看原因，处理后重新归档；其余的请确认：wma acknowledge dead。',
    ),
    // Some items cannot be archived at all (a recalled picture): no reason for an alert.
    except: ['alerts', 'readyz'],
    find: ({ dead }) => findCounted(dead),
  },
  drift: {
    severity: 'warning',
    component: 'media',
    rule: 'The last verification found catalogue and bucket to differ. Ends with one that does not.',
    begun: (it) => ({
      en: `Catalogue and bucket differed in ${it.count} of ${it.detail.total} cases in the last verification.`,
      zh: `元数据库与存储桶核对时，${it.detail.total} 个中有 ${it.count} 个不一致。`,
    }),
    ended: fixedText('Catalogue and bucket agree.', '元数据库与存储桶一致。'),
    advice: (it) => ({
      en: `See them: wma verify --watch ${it.detail.id}`,
      zh: `查看详情：wma verify --watch ${it.detail.id}`,
    }),
    // The person who started the verification waits for its result.
    except: ['alerts', 'readyz'],
    find: ({ drift }) => {
      if (!drift) return drift === null ? [] : undefined;
      const { id, count, total, at } = drift;
      return count > 0 ? [{ count, since: at, detail: { id, total } }] : [];
    },
  },
} as const satisfies Record<string, Check>;
