/** Groups of dead letters as the API returns them: with message and advice in the client's language. */
import type { DeadLetterGroup } from '../../catalogue/history/stats.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Language } from '../problem.ts';

export function groupJson(group: DeadLetterGroup, language: Language) {
  const { message, advice } = explain(group);
  return { ...group, message: message[language], advice: advice[language] };
}
